// SPDX-License-Identifier: MIT
// The reader of WebSocket frames fed with anything, in pieces whose size the first byte picks: what
// comes out must not depend on how the input was cut. Compressed messages are inflated.
#include "hark/websocket.h"

#include <stdlib.h>
#include <string.h>

#define OUTPUT_MAX ((size_t)1024 * 1024)

struct output {
    struct buffer parts;
    struct websocket_inflater *inflater;
    size_t inflated_bytes;
};

static int on_inflated(void *ctx, const void *data, size_t length)
{
    struct output *output = ctx;
    (void)data;
    output->inflated_bytes += length;
    return output->inflated_bytes > OUTPUT_MAX ? 1 : 0;
}

static void on_part(void *ctx, const struct websocket_part *part)
{
    struct output *output = ctx;
    struct err err = {0};
    if (part->length > WEBSOCKET_PART_MAX_BYTES)
        abort();
    buffer_printf(&output->parts, "%d %d %zu ", part->opcode, part->is_compressed, part->length);
    buffer_append(&output->parts, part->data, part->length);
    if (part->is_compressed && websocket_inflater_write(output->inflater, part->data, part->length,
                                                        on_inflated, output, &err) == 0)
        websocket_inflater_end_message(output->inflater, on_inflated, output, &err);
}

static struct buffer read_all(const uint8_t *data, size_t size, size_t piece)
{
    struct output output = {.inflater = websocket_inflater_create()};
    struct websocket_reader reader;
    websocket_reader_init(&reader, on_part, &output);
    for (size_t at = 0; at < size; at += piece)
        websocket_reader_feed(&reader, data + at, piece < size - at ? piece : size - at, 0);
    websocket_reader_end(&reader);
    websocket_reader_fini(&reader);
    websocket_inflater_destroy(output.inflater);
    return output.parts;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct buffer cut = read_all(data + 1, size - 1, (size_t)data[0] + 1);
    struct buffer whole = read_all(data + 1, size - 1, size - 1);
    if (cut.length != whole.length ||
        (cut.length > 0 && memcmp(cut.data, whole.data, cut.length) != 0))
        abort();
    buffer_fini(&cut);
    buffer_fini(&whole);
    return 0;
}
