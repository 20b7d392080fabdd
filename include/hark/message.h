// SPDX-License-Identifier: MIT
// The rules an HTTP/1.x intermediary applies to message heads (RFC 9112, RFC 9110): is this
// request well-formed, where does it go, how is the body framed, which fields end here.
//
// Pure functions: no I/O, no state, any thread.
#ifndef HARK_MESSAGE_H
#define HARK_MESSAGE_H

#include "hark/err.h"
#include "hark/fields.h"

#include <stdbool.h>
#include <stdint.h>

// --- where a request goes (RFC 9112 section 3.2) -----------------------------------------------

enum target_form {
    TARGET_ABSOLUTE,  // http://host/path?query, what proxies get
    TARGET_ORIGIN,    // /path?query, meant for hark itself
    TARGET_ASTERISK,  // *
    TARGET_AUTHORITY, // host:port, CONNECT only
};

// Texts live in the arena given to target_parse().
struct target {
    enum target_form form;
    const char *scheme;    // "http"; NULL unless absolute
    const char *authority; // as received: what goes into Host
    const char *host;      // lower case, IPv6 without brackets, numbers in dotted form
    int port;
    const char *path;  // octets as received; "/" where the target has none
    const char *query; // without "?"; NULL if there is no "?"
};

// Status to answer: 0 if the target is fine, else 400 (err says why).
int target_parse(struct target *target, struct arena *arena, const char *method,
                 const char *request_target, struct err *err);

// Is `authority` a valid uri-host [":" port] without userinfo (the value of Host)?
bool authority_is_valid(const char *authority);

// --- heads -----------------------------------------------------------------------------------

bool text_is_token(const char *text, size_t length);       // RFC 9110 section 5.6.2
bool text_is_field_value(const char *text, size_t length); // no controls but HTAB
bool text_is_version(const char *text);                    // "HTTP/1.1", RFC 9112 section 2.3

#define BODY_LENGTH_CHUNKED     ((int64_t)-1)
#define BODY_LENGTH_UNTIL_CLOSE ((int64_t)-2)

struct request_head {
    const char *method;
    const char *target;
    const char *version; // "HTTP/1.1"
    const struct fields *fields;
};

// Checks everything but the target. Returns 0, or the status to answer (400, 501, 505) with the
// reason in err. `body_length` gets the length of the body that follows: 0, a number or
// BODY_LENGTH_CHUNKED.
int request_head_check(const struct request_head *head, int64_t *body_length, struct err *err);

// Is it safe to send again what may have arrived (RFC 9110 section 9.2.2)?
bool method_is_idempotent(const char *method);

// Nobody sends more fields in earnest, and looking for the hop-by-hop ones costs their square.
#define RESPONSE_FIELDS_MAX 1000

// A response head, line by line, as it comes from the wire.
struct response_head {
    struct arena *arena; // where the texts go; set by the user
    int status;
    const char *version;
    const char *reason;
    struct fields fields;
    bool is_complete; // the empty line has been seen

    char *folded; // the last field's value with room to grow, while lines continue it
    size_t folded_capacity;
};

// Takes one line with or without its line end. The first is the status line; a line that begins
// with white space continues the one before (obs-fold: joined by one space); an empty one ends
// the head. 0, or -1 if this is no HTTP/1.x response head.
int response_head_add_line(struct response_head *head, const char *line, size_t length,
                           struct err *err);
// How is the body of a complete head framed? -1 if the framing is contradictory. Where no body
// follows (see status_has_body()) it is the length that the head speaks of, or 0.
int response_head_body_length(const struct response_head *head, const char *method,
                              int64_t *body_length, struct err *err);
bool status_has_body(int status, const char *method);

// The stored form of interim answers (1xx): [{"status":103,"headers":[["Name","value"],…]},…], one
// after the other; texts go into the arena. 0, or -1 if it is not of that form.
typedef void (*interim_fn)(void *ctx, const struct response_head *head);
int interim_walk(const char *json, struct arena *arena, interim_fn on_interim, void *ctx,
                 struct err *err);

// --- hop by hop (RFC 9110 section 7.6.1) --------------------------------------------------------

// Does this field of `fields` end at this hop? Fields that Connection lists do, except those that
// would break the message (Host, Content-Length, …) however they are listed.
bool field_is_hop_by_hop(const struct fields *fields, const struct field *field);

// The media type without parameters in lower case (NULL if there is none), in the arena: of the
// first Content-Type, or of the value of one.
const char *media_type(const struct fields *fields, struct arena *arena);
const char *media_type_of_value(const char *value, struct arena *arena);
// Content-Encoding in lower case, its lines joined to one list; NULL if there is none or it is
// identity.
const char *content_encoding(const struct fields *fields, struct arena *arena);

#endif
