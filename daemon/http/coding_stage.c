// SPDX-License-Identifier: MIT
// The four codings behind one shape. A stage never keeps input: what it did not take comes again.
#include "coding_stage.h"

#include "hark/mem.h"

#include <assert.h>
#include <brotli/decode.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#define ZSTD_WINDOW_LOG_MAX 23 // 8 MiB: RFC 9659 section 3

// --- zlib --------------------------------------------------------------------------------------

struct inflate_state {
    z_stream stream;
    int window_bits;     // 0: not known yet (deflate)
    unsigned char first; // of a deflate stream, while the second byte is awaited
    bool has_first;
};

static void *gzip_create(void)
{
    struct inflate_state *state = mem_calloc(1, sizeof *state);
    state->window_bits = MAX_WBITS + 16;
    int rc = inflateInit2(&state->stream, state->window_bits);
    assert(rc == Z_OK);
    return state;
}

static void *deflate_create(void)
{
    return mem_calloc(1, sizeof(struct inflate_state));
}

static void inflate_destroy(void *ctx)
{
    struct inflate_state *state = ctx;
    if (state->window_bits != 0)
        inflateEnd(&state->stream);
    free(state);
}

static enum stage_result inflate_some(struct inflate_state *state, struct stage_io *io)
{
    z_stream *stream = &state->stream;
    uInt in_length = io->in_length > UINT_MAX ? UINT_MAX : (uInt)io->in_length;
    stream->next_in = (Bytef *)(uintptr_t)io->in;
    stream->avail_in = in_length;
    stream->next_out = io->out;
    stream->avail_out = (uInt)io->out_length;
    int rc = inflate(stream, Z_NO_FLUSH);
    io->in_length -= in_length - stream->avail_in;
    io->in = stream->next_in;
    io->out_length = stream->avail_out;
    io->out = stream->next_out;
    if (rc == Z_STREAM_END) {
        inflateReset(stream);
        return STAGE_END;
    }
    if (rc == Z_OK || rc == Z_BUF_ERROR)
        return STAGE_MORE;
    io->problem = rc == Z_NEED_DICT ? "it needs a dictionary" : stream->msg;
    return STAGE_CORRUPT;
}

static enum stage_result gzip_step(void *ctx, struct stage_io *io)
{
    return inflate_some(ctx, io);
}

// "deflate" is zlib's format (RFC 9110 section 8.4.1.2), but many servers send the bare data. The
// first two bytes of the former are checked (RFC 1950 section 2.2) to tell.
static bool has_zlib_head(unsigned char first, unsigned char second)
{
    return (first & 0x0f) == Z_DEFLATED && (first >> 4) <= 7 && (first * 256 + second) % 31 == 0;
}

static enum stage_result deflate_step(void *ctx, struct stage_io *io)
{
    struct inflate_state *state = ctx;
    if (state->window_bits != 0)
        return inflate_some(state, io);
    if (!state->has_first) {
        state->first = *io->in++;
        io->in_length--;
        state->has_first = true;
    }
    if (io->in_length == 0)
        return STAGE_MORE;

    state->window_bits = has_zlib_head(state->first, *io->in) ? MAX_WBITS : -MAX_WBITS;
    int rc = inflateInit2(&state->stream, state->window_bits);
    assert(rc == Z_OK);
    struct stage_io first = {&state->first, 1, io->out, io->out_length, NULL};
    enum stage_result result = inflate_some(state, &first);
    io->out = first.out;
    io->out_length = first.out_length;
    io->problem = first.problem;
    return result;
}

const struct stage_kind stage_gzip = {"gzip", gzip_create, gzip_step, inflate_destroy, 1};
const struct stage_kind stage_deflate = {"deflate", deflate_create, deflate_step, inflate_destroy,
                                         0};

// --- brotli ------------------------------------------------------------------------------------

static void *br_create(void)
{
    BrotliDecoderState *state = BrotliDecoderCreateInstance(NULL, NULL, NULL);
    assert(state);
    return state;
}

static enum stage_result br_step(void *ctx, struct stage_io *io)
{
    BrotliDecoderState *state = ctx;
    switch (BrotliDecoderDecompressStream(state, &io->in_length, &io->in, &io->out_length, &io->out,
                                          NULL)) {
    case BROTLI_DECODER_RESULT_SUCCESS:
        return STAGE_END;
    case BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT:
    case BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT:
        return STAGE_MORE;
    case BROTLI_DECODER_RESULT_ERROR:
        break;
    }
    io->problem = BrotliDecoderErrorString(BrotliDecoderGetErrorCode(state));
    return STAGE_CORRUPT;
}

static void br_destroy(void *ctx)
{
    BrotliDecoderDestroyInstance(ctx);
}

const struct stage_kind stage_br = {"br", br_create, br_step, br_destroy, 0};

// --- zstd --------------------------------------------------------------------------------------

struct zstd_state {
    ZSTD_DCtx *context;
    bool is_in_frame;
};

static void *zstd_create(void)
{
    struct zstd_state *state = mem_calloc(1, sizeof *state);
    state->context = ZSTD_createDCtx();
    assert(state->context);
    ZSTD_DCtx_setParameter(state->context, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX);
    return state;
}

// A frame or a skippable frame (RFC 8878 section 3.1); the library may be built to read those of
// its first years, too.
static bool begins_frame(unsigned char first)
{
    return first == 0x28 || (first & 0xf0) == 0x50;
}

static enum stage_result zstd_step(void *ctx, struct stage_io *io)
{
    struct zstd_state *state = ctx;
    if (!state->is_in_frame && io->in_length > 0 && !begins_frame(*io->in)) {
        io->problem = "Unknown frame descriptor";
        return STAGE_CORRUPT;
    }
    ZSTD_inBuffer in = {io->in, io->in_length, 0};
    ZSTD_outBuffer out = {io->out, io->out_length, 0};
    size_t rc = ZSTD_decompressStream(state->context, &out, &in);
    state->is_in_frame = rc != 0;
    io->in += in.pos;
    io->in_length -= in.pos;
    io->out += out.pos;
    io->out_length -= out.pos;
    if (rc == 0)
        return STAGE_END;
    if (!ZSTD_isError(rc))
        return STAGE_MORE;
    io->problem = ZSTD_getErrorName(rc);
    return STAGE_CORRUPT;
}

static void zstd_destroy(void *ctx)
{
    struct zstd_state *state = ctx;
    ZSTD_freeDCtx(state->context);
    free(state);
}

const struct stage_kind stage_zstd = {"zstd", zstd_create, zstd_step, zstd_destroy, 1};
