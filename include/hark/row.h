// SPDX-License-Identifier: MIT
// One exchange as the recording keeps it: a row of the table `exchange`.
//
// The proxy fills a row while the exchange goes on, the store writes and reads it, the formats
// show it. Texts live in the row's own arena; NULL is SQL NULL. A duration or size of -1 is NULL.
#ifndef HARK_ROW_H
#define HARK_ROW_H

#include "hark/fields.h"
#include "hark/mem.h"

#include <stdbool.h>
#include <stdint.h>

enum row_source {
    ROW_SOURCE_PROXY,
    ROW_SOURCE_REPLAY,
    ROW_SOURCE_IMPORT,
    ROW_SOURCE_PLAYBACK
};
enum row_kind {
    ROW_KIND_HTTP,
    ROW_KIND_TUNNEL,
    ROW_KIND_WEBSOCKET
};
enum row_state {
    ROW_STATE_PENDING,        // still going on
    ROW_STATE_DONE,           // the client got an answer, whole (also one that hark made itself)
    ROW_STATE_CLIENT_ABORT,   // the client went away first
    ROW_STATE_UPSTREAM_ERROR, // no answer could be had; hark answered in the origin's place
    ROW_STATE_TRUNCATED,      // the origin's answer broke off in its body
    ROW_STATE_INTERRUPTED,    // the daemon ended first
};

// The names as stored ("client-abort"); never NULL for a valid value.
const char *row_source_name(enum row_source source);
const char *row_kind_name(enum row_kind kind);
const char *row_state_name(enum row_state state);
// The reverse; -1 if there is no such name.
int row_source_from_name(const char *name);
int row_kind_from_name(const char *name);
int row_state_from_name(const char *name);

struct row_timing {
    int64_t dns_us;     // name resolution; -1 on a reused connection
    int64_t connect_us; // TCP; -1 on a reused connection
    int64_t tls_us;     // TLS handshake; -1 without
    int64_t send_us;    // from connection ready to request sent
    int64_t wait_us;    // from request sent to first byte of the answer
    int64_t receive_us; // from first to last byte of the answer
};

struct exchange_row {
    struct arena arena; // holds every text and field list below

    int64_t id;
    int64_t session_id;
    enum row_source source;
    int64_t replay_of;  // 0 = NULL
    int64_t started_us; // Unix microseconds
    int64_t duration_us;
    struct row_timing timing;
    enum row_kind kind;
    enum row_state state;
    const char *error;      // stable code: "dns", "connect", …
    const char *error_text; // for people

    const char *client_addr; // "127.0.0.1:51234", "[::1]:51234"
    const char *method;
    const char *scheme;
    const char *host;            // lower case, without brackets
    int port;                    // 0 = NULL
    const char *path;            // octets as received, "/" at least; "*" for OPTIONS *
    const char *query;           // without "?"; NULL if there was no "?"
    const char *request_version; // "HTTP/1.1"
    struct fields request_headers;
    struct fields request_trailers;
    int64_t request_size;     // body bytes as on the wire, without chunked framing
    const char *request_type; // media type without parameters, lower case

    int status; // 0 = NULL
    const char *reason;
    const char *response_version;
    struct fields response_headers;
    struct fields response_trailers;
    const char *interim; // JSON [{"status":103,"headers":[…]},…] of 1xx answers; NULL if none
    int64_t response_size;
    const char *response_type;
    const char *response_encoding; // Content-Encoding, lower case; NULL for identity
    const char *server_addr;       // "93.184.216.34:80"
    const char *sni;               // the server name that the client's TLS hello asked for
    const char *tls_version;
    const char *tls_cipher;
    const char *server_cert; // JSON {"subject":…,"issuer":…,"expires":…}
    bool body_truncated;     // `record_bodies` cut a body of this exchange
    bool headers_latin1;     // header bytes that are not UTF-8 were mapped as Latin-1
};

// An empty pending row: sizes 0, durations -1.
struct exchange_row *row_create(void);
// A copy that shares nothing.
struct exchange_row *row_clone(const struct exchange_row *row);
void row_destroy(struct exchange_row *row); // takes NULL

// "http://host[:port]/path?query", the port only where it is not the scheme's own; appended.
void row_append_url(const struct exchange_row *row, struct buffer *out);

#endif
