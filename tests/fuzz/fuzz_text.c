// SPDX-License-Identifier: MIT
// What people get to see of anything: text made safe, and JSON laid out. No control character but
// the line ends and tabs of lines may come out, whatever went in and however it was cut; and JSON
// that was laid out is the same JSON.
#include "hark/json_layout.h"
#include "hark/terminal.h"

#include <jansson.h>
#include <locale.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct output {
    FILE *file;
    char *text;
    size_t length;
};

static struct output output_open(void)
{
    struct output output = {0};
    output.file = open_memstream(&output.text, &output.length);
    return output;
}

static void check_safe(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        bool is_line_end = c == '\n' || c == '\t' || (c == '\r' && text[i + 1] == '\n');
        if ((c < 0x20 && !is_line_end) || c == 0x7f)
            abort();
        if (c == 0xc2 && (unsigned char)text[i + 1] < 0xa0)
            abort();
    }
}

static void fuzz_safe_text(const char *data, size_t size, size_t piece)
{
    struct output cut = output_open(), whole = output_open();
    struct safe_stream stream = {0};
    for (size_t at = 0; at < size; at += piece)
        safe_stream_write(&stream, cut.file, data + at, piece < size - at ? piece : size - at);
    safe_stream_finish(&stream, cut.file);
    safe_text_write(whole.file, data, size, SAFE_LINES);
    fclose(cut.file);
    fclose(whole.file);
    check_safe(cut.text, cut.length);
    if (cut.length != whole.length || memcmp(cut.text, whole.text, cut.length) != 0)
        abort();
    free(cut.text);
    free(whole.text);

    struct output line = output_open();
    size_t columns = safe_text_write_cut(line.file, data, size, piece);
    fclose(line.file);
    if (columns > piece || columns != safe_text_columns(line.text, line.length))
        abort();
    free(line.text);
}

static void fuzz_json(const char *data, size_t size)
{
    if (!json_is_valid(data, size))
        return;
    static const struct terminal plain = {0};
    struct output output = output_open();
    json_layout_write(output.file, &plain, data, size);
    fclose(output.file);
    // Escapes of the terminal's change strings only; without them it has to be the same value.
    if (!strstr(output.text, "\\x") && !strstr(output.text, "\\u") && !strstr(output.text, "\\U")) {
        size_t flags = JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL;
        json_t *before = json_loadb(data, size, flags, NULL);
        json_t *after = json_loadb(output.text, output.length, flags, NULL);
        if (!json_equal(before, after))
            abort();
        json_decref(before);
        json_decref(after);
    }
    free(output.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    if (size < 1)
        return 0;
    fuzz_safe_text((const char *)data + 1, size - 1, (size_t)data[0] + 1);
    fuzz_json((const char *)data + 1, size - 1);
    return 0;
}
