// SPDX-License-Identifier: MIT
// The head of a request that is sent again. Fields keep their order, their case and their repeats;
// those that end at this hop stay in the list, since the upstream leaves them out as it did before.
#include "replay_message.h"

#include "hark/query.h"
#include "hark/utf8.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// --- what cannot be sent again ------------------------------------------------------------------

// These vouch for a connection; what was said on the recorded one is worth nothing on another.
static bool authenticates_connection(const struct exchange_row *recorded)
{
    const struct field *field = fields_find(&recorded->request_headers, "Authorization");
    return field != NULL && (strncasecmp(field->value, "NTLM", 4) == 0 ||
                             strncasecmp(field->value, "Negotiate", 9) == 0);
}

static int check_kind(const struct exchange_row *recorded, struct err *err)
{
    if (recorded->kind == ROW_KIND_TUNNEL)
        return err_set(err, "a tunnel: what went through it is not known");
    if (recorded->kind == ROW_KIND_WEBSOCKET)
        return err_set(err, "a WebSocket");
    if (recorded->status == 101)
        return err_set(err, "it changed the protocol of its connection");
    if (recorded->state == ROW_STATE_PENDING)
        return err_set(err, "it has not ended yet");
    bool is_request = recorded->method != NULL && recorded->scheme != NULL &&
                      recorded->host != NULL && recorded->path != NULL;
    if (!is_request || (recorded->error != NULL && strcmp(recorded->error, "bad-request") == 0))
        return err_set(err, "it is no valid request");
    if (authenticates_connection(recorded))
        return err_set(err, "its Authorization (NTLM, Negotiate) is good for one connection");
    return 0;
}

static bool is_chunked(const struct exchange_row *recorded)
{
    return fields_find(&recorded->request_headers, "Transfer-Encoding") != NULL;
}

// Is the body in the recording the one that its head announced?
static int check_body(const struct exchange_row *recorded, int64_t body_bytes, struct err *err)
{
    if (recorded->source == ROW_SOURCE_IMPORT)
        return 0; // its length is written anew
    if (body_bytes < recorded->request_size)
        return err_set(err,
                       "its body is cut: %" PRId64 " of %" PRId64 " bytes were recorded "
                       "(record_bodies)",
                       body_bytes, recorded->request_size);
    if (is_chunked(recorded)) {
        bool is_broken =
            recorded->state == ROW_STATE_CLIENT_ABORT || recorded->state == ROW_STATE_INTERRUPTED;
        return is_broken ? err_set(err, "it broke off, perhaps inside its body") : 0;
    }
    const struct field *length = fields_find(&recorded->request_headers, "Content-Length");
    if (length != NULL && strtoll(length->value, NULL, 10) != body_bytes)
        return err_set(err, "it broke off: %" PRId64 " of %s bytes of its body had come",
                       body_bytes, length->value);
    return 0;
}

// --- the recorded texts ------------------------------------------------------------------------

static const char *restore(struct exchange_row *recorded, const char *text)
{
    if (text == NULL || !recorded->headers_latin1)
        return text;
    size_t length = strlen(text);
    return utf8_restore_bytes(&recorded->arena, text, &length);
}

static void add_restored(struct exchange_row *recorded, struct fields *fields,
                         const struct field *field)
{
    const char *name = restore(recorded, field->name);
    const char *value = restore(recorded, field->value);
    fields_add(fields, &recorded->arena, name, strlen(name), value, strlen(value));
}

static void add(struct exchange_row *recorded, struct fields *fields, const char *name,
                const char *value)
{
    fields_add(fields, &recorded->arena, name, strlen(name), value, strlen(value));
}

static void set_version(struct replay_message *message, const struct exchange_row *recorded)
{
    bool is_http_1_0 =
        recorded->request_version != NULL && strcmp(recorded->request_version, "HTTP/1.0") == 0;
    message->version = is_http_1_0 ? "HTTP/1.0" : "HTTP/1.1";
}

// --- where it goes ------------------------------------------------------------------------------

static void set_route(struct replay_message *message, struct exchange_row *recorded,
                      const struct target *origin)
{
    struct arena *arena = &recorded->arena;
    if (origin != NULL) {
        message->route = (struct route){.scheme = origin->scheme,
                                        .authority = arena_strdup(arena, origin->authority),
                                        .host = arena_strdup(arena, origin->host),
                                        .port = origin->port};
        return;
    }
    bool is_https = strcmp(recorded->scheme, "https") == 0;
    bool is_ipv6 = strchr(recorded->host, ':') != NULL;
    bool is_usual_port = recorded->port == (is_https ? 443 : 80);
    char *host = arena_printf(arena, is_ipv6 ? "[%s]" : "%s", recorded->host);
    message->route = (struct route){
        .scheme = is_https ? "https" : "http",
        .authority = is_usual_port ? host : arena_printf(arena, "%s:%d", host, recorded->port),
        .host = arena_strdup(arena, recorded->host),
        .port = recorded->port};
}

static void set_target(struct replay_message *message, struct exchange_row *recorded,
                       const struct replay_options *options)
{
    struct arena *arena = &recorded->arena;
    const char *path = restore(recorded, recorded->path);
    const char *query = restore(recorded, recorded->query);
    for (size_t i = 0; i < options->set_query.count; i++)
        query = query_set(arena, query, options->set_query.items[i].name,
                          options->set_query.items[i].value);
    message->target = query == NULL ? path : arena_printf(arena, "%s?%s", path, query);
}

// --- header fields ------------------------------------------------------------------------------

// The recorded fields. What is new is what cannot stay: where it goes, and for what never was
// HTTP/1.1 on a wire, how long it is.
static void refresh_headers(struct replay_message *message, struct exchange_row *recorded,
                            int64_t body_bytes, const struct target *origin)
{
    const struct fields *fields = &recorded->request_headers;
    bool is_import = recorded->source == ROW_SOURCE_IMPORT;
    const char *length = arena_printf(&recorded->arena, "%" PRId64, body_bytes);
    if (fields_find(fields, "Host") == NULL && strcmp(message->version, "HTTP/1.1") == 0)
        add(recorded, &message->headers, "Host", message->route.authority);
    for (size_t i = 0; i < fields->count; i++) {
        const struct field *field = &fields->items[i];
        if (field->name[0] == ':')
            continue; // a pseudo-field of HTTP/2
        if (origin != NULL && field_is_named(field, "Host"))
            add(recorded, &message->headers, field->name, origin->authority);
        else if (is_import && field_is_named(field, "Content-Length"))
            add(recorded, &message->headers, field->name, length);
        else
            add_restored(recorded, &message->headers, field);
    }
    bool is_framed = is_chunked(recorded) || fields_find(fields, "Content-Length") != NULL;
    if (is_import && body_bytes > 0 && !is_framed)
        add(recorded, &message->headers, "Content-Length", length);
}

static void add_all_named(struct exchange_row *recorded, struct fields *to,
                          const struct fields *from, const char *name)
{
    for (size_t i = 0; i < from->count; i++)
        if (field_is_named(&from->items[i], name))
            add(recorded, to, from->items[i].name, from->items[i].value);
}

static void edit_headers(struct replay_message *message, struct exchange_row *recorded,
                         const struct replay_options *options)
{
    const struct fields *set = &options->set_headers;
    struct fields edited = {0};
    for (size_t i = 0; i < message->headers.count; i++) {
        const struct field *field = &message->headers.items[i];
        bool is_set = fields_find(set, field->name) != NULL;
        if (is_set && fields_find(&edited, field->name) == NULL)
            add_all_named(recorded, &edited, set, field->name);
        else if (!is_set && fields_find(&options->drop_headers, field->name) == NULL)
            add(recorded, &edited, field->name, field->value);
    }
    for (size_t i = 0; i < set->count; i++)
        if (fields_find(&edited, set->items[i].name) == NULL)
            add_all_named(recorded, &edited, set, set->items[i].name);
    message->headers = edited;
}

int replay_message_make(struct replay_message *message, struct exchange_row *recorded,
                        int64_t body_bytes, const struct replay_options *options,
                        const struct target *origin, struct err *err)
{
    *message = (struct replay_message){.has_body = body_bytes > 0};
    if (check_kind(recorded, err) != 0 || check_body(recorded, body_bytes, err) != 0)
        return -1;
    message->method = restore(recorded, recorded->method);
    set_version(message, recorded);
    set_route(message, recorded, origin);
    set_target(message, recorded, options);
    refresh_headers(message, recorded, body_bytes, origin);
    if (options->set_headers.count > 0 || options->drop_headers.count > 0)
        edit_headers(message, recorded, options);
    for (size_t i = 0; i < recorded->request_trailers.count; i++)
        add_restored(recorded, &message->trailers, &recorded->request_trailers.items[i]);
    return 0;
}

// --- options ------------------------------------------------------------------------------------

int replay_parse_origin(struct target *origin, struct arena *arena, const char *text,
                        struct err *err)
{
    struct err problem = {0};
    bool has_scheme = strstr(text, "://") != NULL;
    if (has_scheme && target_parse(origin, arena, "GET", text, &problem) != 0)
        return err_set(err, "\"%s\" is no origin: %s", text, problem.text);
    if (!has_scheme || origin->form != TARGET_ABSOLUTE)
        return err_set(err, "\"%s\" is no origin: say http://host:port", text);
    if (strcmp(origin->path, "/") != 0 || origin->query != NULL)
        return err_set(err, "\"%s\" is more than an origin: requests keep their own paths", text);
    return 0;
}

// Where the body ends is not to be argued about.
static bool frames_message(const struct field *field)
{
    return field_is_named(field, "Content-Length") || field_is_named(field, "Transfer-Encoding");
}

static int check_header(const struct field *field, bool is_dropped, struct err *err)
{
    if (!text_is_token(field->name, field->name_length))
        return err_set(err, "\"%s\" is no name of a header field", field->name);
    if (frames_message(field))
        return err_set(err, "%s cannot be changed: the body goes out as it was recorded",
                       field->name);
    if (is_dropped && field_is_named(field, "Host"))
        return err_set(err, "Host cannot be dropped: every request has one");
    if (!text_is_field_value(field->value, field->value_length))
        return err_set(err, "control character in the value of %s", field->name);
    if (field_is_named(field, "Host") && !is_dropped && !authority_is_valid(field->value))
        return err_set(err, "Host \"%s\" is no host[:port]", field->value);
    return 0;
}

static int check_numbers(const struct replay_options *options, struct err *err)
{
    if (options->concurrency < 0 || options->concurrency > REPLAY_CONCURRENCY_MAX)
        return err_set(err, "the concurrency is 1 to %d", REPLAY_CONCURRENCY_MAX);
    if (options->rate_per_s < 0 || options->rate_per_s > 1e6)
        return err_set(err, "the rate is more than 0 and at most 1000000 a second");
    if (options->speed < 0 || options->speed > 1e6)
        return err_set(err, "the speed is more than 0 and at most 1000000");
    if (options->repeat < 0)
        return err_set(err, "how often to repeat is 1 or more");
    if (options->rate_per_s > 0 && options->speed > 0)
        return err_set(err, "a rate and the recorded pace exclude each other");
    return 0;
}

int replay_check_options(const struct replay_options *options, struct err *err)
{
    struct arena arena = {0};
    struct target origin;
    int result = check_numbers(options, err);
    if (result == 0 && options->to != NULL)
        result = replay_parse_origin(&origin, &arena, options->to, err);
    for (size_t i = 0; result == 0 && i < options->set_headers.count; i++)
        result = check_header(&options->set_headers.items[i], false, err);
    for (size_t i = 0; result == 0 && i < options->drop_headers.count; i++)
        result = check_header(&options->drop_headers.items[i], true, err);
    for (size_t i = 0; result == 0 && i < options->set_query.count; i++)
        if (options->set_query.items[i].name[0] == '\0')
            result = err_set(err, "a query parameter has a name: name=value");
    arena_fini(&arena);
    return result;
}
