// SPDX-License-Identifier: MIT
// What makes two requests the same for playback: a key of what their heads say, as far as
// `playback_match` wants it, and a digest of the body.
//
// Queries are compared by parameters, decoded, in any order. A JSON body is compared by content,
// whatever the order of its members and the space between them; a multipart body without regard to
// its boundary; content codings are undone first.
//
// What is redacted is the same wherever both have it: the mark of one key cannot be compared with
// that of another, nor with what was not recorded.
//
// Pure: no I/O. Thread: one at a time for each object.
#ifndef HARK_PROXY_PLAYBACK_KEY_H
#define HARK_PROXY_PLAYBACK_KEY_H

#include "hark/buffer.h"
#include "hark/coding.h"
#include "hark/config.h"
#include "hark/fields.h"
#include "hark/redact_body.h"

#include <gnutls/crypto.h>
#include <stdbool.h>
#include <stdint.h>

// A larger JSON or multipart body is compared byte by byte.
#define PLAYBACK_CONTENT_MAX_BYTES ((size_t)1024 * 1024)

struct playback_head {
    const char *method; // any of them may be NULL
    const char *scheme;
    const char *host;
    int port;
    const char *path;
    const char *query;
    const struct fields *headers; // used if playback_wants_headers()
};

bool playback_wants_headers(const struct config *config);
bool playback_wants_body(const struct config *config);

uint64_t playback_head_key(const struct config *config, const struct playback_head *head);
// The parameters that count, decoded, sorted.
void playback_query(const struct config *config, const char *query, struct fields *parameters,
                    struct arena *arena);
// The fields that `playback_match` compares.
struct fields playback_headers(const struct config *config, const struct fields *headers,
                               struct arena *arena);

// One number of several.
uint64_t playback_mix(uint64_t a, uint64_t b);

// The digest of a body that comes in pieces. Owner: whoever declared it.
struct playback_digest {
    struct decoder *decoder;    // NULL: identity
    gnutls_hash_hd_t raw;       // of the bytes before decoding; NULL without decoder
    bool is_undecodable;        // then `raw` counts
    struct redact_body *search; // NULL: nothing in it is redacted
    bool is_cut;                // what follows does not count
    bool is_json;
    char *boundary;        // of a multipart body, else NULL
    bool is_collecting;    // `content` has all of it so far
    struct buffer content; // decoded
    gnutls_hash_hd_t hash; // of what is not collected
};

void playback_digest_init(struct playback_digest *digest, const struct config *config,
                          const struct fields *headers);
void playback_digest_add(struct playback_digest *digest, const void *data, size_t length);
// The digest of all that was added. `content` stays until playback_digest_fini().
uint64_t playback_digest_finish(struct playback_digest *digest);
void playback_digest_fini(struct playback_digest *digest); // also of a zeroed one

#endif
