// SPDX-License-Identifier: MIT
// One content coding as one stage of a decoder: what each library's stream looks like to the chain.
#ifndef HARK_HTTP_CODING_STAGE_H
#define HARK_HTTP_CODING_STAGE_H

#include <stddef.h>
#include <stdint.h>

#define STAGE_OUTPUT_BYTES ((size_t)64 * 1024)

enum stage_result {
    STAGE_MORE,    // took all the input, or filled the output
    STAGE_END,     // the coded stream ended here; a stream may follow
    STAGE_CORRUPT, // `problem` says why, if the library does
};

// The bytes that one call may take and fill; both sides advance.
struct stage_io {
    const unsigned char *in;
    size_t in_length;
    unsigned char *out;
    size_t out_length;
    const char *problem;
};

struct stage_kind {
    const char *name;
    void *(*create)(void);
    enum stage_result (*step)(void *state, struct stage_io *io);
    void (*destroy)(void *state);
    // Are bytes after the end of a stream the beginning of another one?
    int may_repeat;
};

extern const struct stage_kind stage_gzip;
extern const struct stage_kind stage_deflate;
extern const struct stage_kind stage_br;
extern const struct stage_kind stage_zstd;

#endif
