// SPDX-License-Identifier: MIT
// Inflating WebSocket messages: each is raw deflate data without the end of its last, empty block,
// and may refer to what the messages before it said (RFC 7692 section 7.2.2).
#include "hark/websocket.h"

#include "hark/mem.h"

#include <stdlib.h>
#include <zlib.h>

#define OUTPUT_BYTES ((size_t)16 * 1024)

struct websocket_inflater {
    z_stream stream;
    bool is_broken;
};

struct websocket_inflater *websocket_inflater_create(void)
{
    struct websocket_inflater *inflater = mem_calloc(1, sizeof(*inflater));
    inflater->is_broken = inflateInit2(&inflater->stream, -MAX_WBITS) != Z_OK;
    return inflater;
}

void websocket_inflater_destroy(struct websocket_inflater *inflater)
{
    if (inflater == NULL)
        return;
    inflateEnd(&inflater->stream);
    free(inflater);
}

int websocket_inflater_write(struct websocket_inflater *inflater, const void *data, size_t length,
                             coding_sink_fn sink, void *ctx, struct err *err)
{
    unsigned char output[OUTPUT_BYTES];
    z_stream *stream = &inflater->stream;
    stream->next_in = (unsigned char *)(uintptr_t)data;
    stream->avail_in = (uInt)length;
    do {
        stream->next_out = output;
        stream->avail_out = sizeof(output);
        int result = inflater->is_broken ? Z_DATA_ERROR : inflate(stream, Z_SYNC_FLUSH);
        if (result == Z_STREAM_END) // a sender may end its stream and begin a new one
            result = inflateReset(stream);
        if (result != Z_OK && result != Z_BUF_ERROR) {
            inflater->is_broken = true;
            return err_set(err, "the message is no deflate data, or one before it is missing");
        }
        int rc = sink(ctx, output, sizeof(output) - stream->avail_out);
        if (rc != 0)
            return rc;
    } while (stream->avail_in > 0 || stream->avail_out == 0);
    return 0;
}

int websocket_inflater_end_message(struct websocket_inflater *inflater, coding_sink_fn sink,
                                   void *ctx, struct err *err)
{
    static const unsigned char end[] = {0x00, 0x00, 0xff, 0xff};
    return websocket_inflater_write(inflater, end, sizeof(end), sink, ctx, err);
}
