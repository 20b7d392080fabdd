// SPDX-License-Identifier: MIT
// Decoders and character sets fed with anything: the first byte picks the coding, the second the
// size of the pieces. What comes out must not depend on how the input was cut.
#include "hark/buffer.h"
#include "hark/charset.h"
#include "hark/coding.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define OUTPUT_MAX ((size_t)1024 * 1024)

static int collect(void *ctx, const void *data, size_t length)
{
    struct buffer *out = ctx;
    buffer_append(out, data, length);
    return out->length > OUTPUT_MAX ? 1 : 0;
}

// The same, but each time it has had enough for now.
static int collect_and_pause(void *ctx, const void *data, size_t length)
{
    int rc = collect(ctx, data, length);
    return rc != 0 ? rc : 2;
}

static int decode(const char *coding, const uint8_t *data, size_t length, size_t piece,
                  coding_sink_fn sink, struct buffer *out)
{
    struct err err = {0};
    struct decoder *decoder = decoder_create(coding, &err);
    int rc = 0;
    for (size_t at = 0; at < length && rc == 0; at += piece) {
        rc = decoder_write(decoder, data + at, piece < length - at ? piece : length - at, sink, out,
                           &err);
        while (rc == 2)
            rc = decoder_resume(decoder, sink, out, &err);
    }
    if (rc == 0)
        rc = decoder_finish(decoder, &err);
    decoder_destroy(decoder);
    return rc;
}

static void convert(const char *charset, const uint8_t *data, size_t length, size_t piece)
{
    struct err err = {0};
    struct buffer out = {0};
    struct charset_reader *reader = charset_reader_create(charset, &err);
    int rc = 0;
    for (size_t at = 0; reader && at < length && rc == 0; at += piece)
        rc = charset_reader_write(reader, data + at, piece < length - at ? piece : length - at,
                                  collect, &out);
    if (reader && rc == 0)
        charset_reader_finish(reader, collect, &out);
    charset_reader_destroy(reader);
    buffer_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const codings[] = {"gzip", "deflate",  "br",
                                          "zstd", "gzip, br", "zstd, gzip"};
    static const char *const charsets[] = {"UTF-8", "UTF-16", "SHIFT_JIS", "ISO-2022-JP",
                                           "GB18030"};
    if (size < 2)
        return 0;
    const char *coding = codings[data[0] % (sizeof codings / sizeof codings[0])];
    const char *charset = charsets[data[0] % (sizeof charsets / sizeof charsets[0])];
    size_t piece = (size_t)data[1] + 1;
    data += 2;
    size -= 2;

    struct buffer cut = {0}, whole = {0};
    int cut_rc = decode(coding, data, size, piece, collect_and_pause, &cut);
    int whole_rc = decode(coding, data, size, size ? size : 1, collect, &whole);
    // libzstd checks the size that a frame announces in every case only if it gets it in one piece.
    bool may_differ = strstr(coding, "zstd") != NULL;
    if (cut_rc <= 0 && whole_rc <= 0 &&
        ((cut_rc != whole_rc && !may_differ) ||
         (cut_rc == 0 && whole_rc == 0 &&
          (cut.length != whole.length ||
           memcmp(cut.data ? cut.data : "", whole.data ? whole.data : "", cut.length) != 0))))
        abort();
    buffer_fini(&cut);
    buffer_fini(&whole);
    convert(charset, data, size, piece);
    return 0;
}
