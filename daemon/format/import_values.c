// SPDX-License-Identifier: MIT
// Texts end up in C strings, so a NUL in one is refused; in bodies it is a byte like others.
#include "import_values.h"

#include "hark/base64.h"
#include "hark/clock.h"
#include "hark/message.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define US_PER_S   1000000
#define MS_MAX     3.2e12 // a hundred years
#define NUMBER_MAX 9e15   // what a JSON number holds exactly

// --- members ------------------------------------------------------------------------------------

const json_t *import_member(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

const char *import_text(const json_t *object, const char *key, struct err *err)
{
    const json_t *value = import_member(object, key);
    if (value == NULL)
        return NULL;
    if (!json_is_string(value))
        err_set(err, "%s is no text", key);
    else if (strlen(json_string_value(value)) != json_string_length(value))
        err_set(err, "%s has a NUL in it", key);
    else
        return json_string_value(value);
    return NULL;
}

const char *import_row_text(struct exchange_row *row, const json_t *object, const char *key,
                            struct err *err)
{
    const char *text = import_text(object, key, err);
    return text == NULL || text[0] == '\0' ? NULL : arena_strdup(&row->arena, text);
}

int64_t import_integer(const json_t *object, const char *key, int64_t otherwise, struct err *err)
{
    const json_t *value = import_member(object, key);
    if (value == NULL)
        return otherwise;
    if (json_is_integer(value))
        return json_integer_value(value);
    double number = json_real_value(value);
    if (json_is_real(value) && number <= NUMBER_MAX && number >= -NUMBER_MAX)
        return (int64_t)number;
    err_set(err, "%s is no number that could be meant", key);
    return otherwise;
}

int64_t import_ms(const json_t *object, const char *key, struct err *err)
{
    const json_t *value = import_member(object, key);
    if (value != NULL && !json_is_number(value))
        err_set(err, "%s is no number", key);
    double ms = value != NULL ? json_number_value(value) : -1;
    return ms >= 0 && ms <= MS_MAX ? (int64_t)(ms * 1000 + 0.5) : -1;
}

bool import_bool(const json_t *object, const char *key, struct err *err)
{
    const json_t *value = import_member(object, key);
    if (value != NULL && !json_is_boolean(value))
        err_set(err, "%s is neither true nor false", key);
    return json_is_true(value);
}

const char *import_json(struct exchange_row *row, const json_t *object, const char *key)
{
    const json_t *value = import_member(object, key);
    char *text = value != NULL ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    const char *kept = arena_strdup(&row->arena, text);
    free(text);
    return kept;
}

void import_pairs(struct exchange_row *row, struct fields *fields, const json_t *object,
                  const char *key, struct err *err)
{
    const json_t *value = import_member(object, key);
    char *text = value != NULL ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
    struct err problem = {0};
    if (text != NULL && fields_from_json(fields, &row->arena, text, &problem) != 0)
        err_set(err, "%s: %s", key, problem.text);
    // What hark refused was recorded with what was wrong in it; but never with a line end.
    for (size_t i = 0; i < fields->count; i++)
        if (strpbrk(fields->items[i].name, "\r\n") != NULL ||
            strpbrk(fields->items[i].value, "\r\n") != NULL)
            err_set(err, "a header field has a line end in it");
    free(text);
}

const json_t *import_object(const json_t *object, const char *key, struct err *err)
{
    const json_t *value = import_member(object, key);
    if (value != NULL && !json_is_object(value)) {
        err_set(err, "%s is no object", key);
        return NULL;
    }
    return value;
}

// --- dates and URLs -----------------------------------------------------------------------------

// ".123456789" as microseconds; what is finer is cut off.
static const char *read_fraction(const char *text, int64_t *us)
{
    *us = 0;
    if (*text != '.' && *text != ',')
        return text;
    int64_t unit = US_PER_S / 10;
    for (text++; isdigit((unsigned char)*text); text++, unit /= 10)
        *us += unit * (*text - '0');
    return text;
}

// "Z", "+01:00", "-0330", or nothing, which is taken for UTC.
static int read_zone(const char *text, int64_t *seconds)
{
    int hours;
    int minutes;
    int used = 0;
    *seconds = 0;
    if (*text == '\0' || strcasecmp(text, "Z") == 0)
        return 0;
    if (*text != '+' && *text != '-')
        return -1;
    if ((sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 &&
         sscanf(text + 1, "%2d%2d%n", &hours, &minutes, &used) != 2) ||
        text[1 + used] != '\0' || hours < 0 || minutes < 0)
        return -1;
    *seconds = (*text == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
    return 0;
}

int import_date(const char *text, int64_t *wall_us)
{
    struct tm when = {0};
    int64_t us;
    int64_t zone_s;
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &when);
    if (rest == NULL)
        return -1;
    rest = read_fraction(rest, &us);
    if (read_zone(rest, &zone_s) != 0 || when.tm_year < 70 || when.tm_year > 8099)
        return -1;
    *wall_us = ((int64_t)timegm(&when) - zone_s) * US_PER_S + us;
    return *wall_us < 0 ? -1 : 0;
}

// Without fragment; what may not be in a target is percent-encoded.
static char *clean_url(const char *url)
{
    struct buffer clean = {0};
    // A WebSocket begins as HTTP: ws is http, wss https.
    if (strncasecmp(url, "ws://", 5) == 0 || strncasecmp(url, "wss://", 6) == 0) {
        buffer_append_text(&clean, "http");
        url += 2;
    }
    for (; *url != '\0' && *url != '#'; url++) {
        if ((unsigned char)*url <= ' ' || *url == 0x7f)
            buffer_printf(&clean, "%%%02X", (unsigned)(unsigned char)*url);
        else
            buffer_append_char(&clean, *url);
    }
    return buffer_take(&clean);
}

// Does it begin with a scheme?
static bool is_absolute(const char *url)
{
    static const char in_scheme[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+.-";
    return isalpha((unsigned char)*url) && url[strspn(url, in_scheme)] == ':';
}

static bool is_http(const char *url)
{
    return strncasecmp(url, "http://", 7) == 0 || strncasecmp(url, "https://", 8) == 0;
}

int import_url(struct exchange_row *row, const char *url, struct err *err)
{
    char *clean = clean_url(url);
    bool is_tunnel = row->kind == ROW_KIND_TUNNEL;
    struct target target;
    struct err problem = {0};
    int result = 0;
    if (!is_tunnel && !is_absolute(clean))
        result = err_set(err, "url: \"%.80s\" does not say where; it has no scheme", clean);
    else if (!is_tunnel && !is_http(clean))
        result = 1;
    else if (target_parse(&target, &row->arena, is_tunnel ? "CONNECT" : row->method, clean,
                          &problem) != 0)
        result = err_set(err, "url: %s", problem.text);
    free(clean);
    if (result != 0)
        return result;
    row->scheme = target.scheme;
    row->host = target.host;
    row->port = target.port;
    row->path = target.path;
    row->query = target.query;
    return 0;
}

// --- columns ------------------------------------------------------------------------------------

int64_t import_count(const json_t *object, const char *key, struct err *err)
{
    int64_t count = import_integer(object, key, -1, err);
    return count < 0 ? -1 : count;
}

static void read_times(struct exchange_row *row, const json_t *object, struct err *err)
{
    row->duration_us = import_count(object, "duration_us", err);
    row->timing = (struct row_timing){
        .dns_us = import_count(object, "dns_us", err),
        .connect_us = import_count(object, "connect_us", err),
        .tls_us = import_count(object, "tls_us", err),
        .send_us = import_count(object, "send_us", err),
        .wait_us = import_count(object, "wait_us", err),
        .receive_us = import_count(object, "receive_us", err),
    };
}

// What was going on when it was exported will not go on here.
static void read_state(struct exchange_row *row, const json_t *object, struct err *err)
{
    const char *name = import_text(object, "state", err);
    int state = name != NULL ? row_state_from_name(name) : ROW_STATE_DONE;
    if (state < 0)
        err_set(err, "\"%s\" is no state", name);
    else
        row->state = state == ROW_STATE_PENDING ? ROW_STATE_INTERRUPTED : (enum row_state)state;
}

void import_columns(struct exchange_row *row, const json_t *object, struct err *err)
{
    const struct {
        const char *key;
        const char **place;
    } texts[] = {
        {"error", &row->error},
        {"error_text", &row->error_text},
        {"client_addr", &row->client_addr},
        {"server_addr", &row->server_addr},
        {"sni", &row->sni},
        {"tls_version", &row->tls_version},
        {"tls_cipher", &row->tls_cipher},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        *texts[i].place = import_row_text(row, object, texts[i].key, err);
    read_state(row, object, err);
    read_times(row, object, err);
    row->server_cert = import_json(row, object, "server_cert");
    row->interim = import_json(row, object, "interim");
    import_pairs(row, &row->request_trailers, object, "request_trailers", err);
    import_pairs(row, &row->response_trailers, object, "response_trailers", err);
    row->body_truncated = import_bool(object, "body_truncated", err);
    row->headers_latin1 = import_bool(object, "headers_latin1", err);
}

// --- bodies -------------------------------------------------------------------------------------

// Segments as they were recorded. -1 if they are not those of this body.
static int add_chunks(struct whole_exchange *exchange, const struct import_body *body,
                      const char *data, size_t length, struct err *err)
{
    size_t at = 0;
    for (size_t i = 0; i < json_array_size(body->chunks); i++) {
        const json_t *pair = json_array_get(body->chunks, i);
        json_int_t bytes = json_integer_value(json_array_get(pair, 1));
        if (bytes < 1 || (uint64_t)bytes > length - at)
            return err_set(err, "the chunks of a body do not fit it");
        whole_exchange_add_body(exchange, body->side, data + at, (size_t)bytes,
                                json_integer_value(json_array_get(pair, 0)));
        at += (size_t)bytes;
    }
    return at == length ? 0 : err_set(err, "the chunks of a body do not fit it");
}

int64_t import_body(struct whole_exchange *exchange, const struct import_body *body,
                    struct err *err)
{
    struct buffer decoded = {0};
    const char *data = json_string_value(body->text);
    size_t length = json_string_length(body->text);
    if (body->text != NULL && data == NULL)
        return err_set(err, "a body is no text");
    if (body->is_base64 && data != NULL) {
        if (base64_decode(&decoded, data, length) != 0)
            err_set(err, "a body is not the base64 it is said to be");
        data = decoded.data;
        length = decoded.length;
    }
    if (json_array_size(body->chunks) > 0)
        add_chunks(exchange, body, data, length, err);
    else
        whole_exchange_add_body(exchange, body->side, data, length, body->at_us);
    buffer_fini(&decoded);
    return (int64_t)length;
}

void import_note(struct whole_exchange *exchange, bool is_mark, const char *text,
                 int64_t created_us)
{
    if (!is_mark && (text == NULL || *text == '\0'))
        return;
    exchange->has_note[is_mark] = true;
    exchange->notes[is_mark] = (struct store_said){
        .created_us = created_us > 0 ? created_us : clock_wall_us(),
        .is_mark = is_mark,
        .text = is_mark ? NULL : arena_strdup(&exchange->row->arena, text),
    };
}
