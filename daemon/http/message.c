// SPDX-License-Identifier: MIT
// What makes a head well-formed and how its body is framed. Where RFC 9112 lets a recipient
// choose between repairing and refusing, requests are refused (what two parsers read differently
// is how requests are smuggled), responses are repaired where nothing is ambiguous.
#include "hark/message.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_token_char(unsigned char c)
{
    return isalnum(c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

bool text_is_token(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!is_token_char((unsigned char)text[i]))
            return false;
    return length > 0;
}

bool text_is_field_value(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

bool text_is_version(const char *text)
{
    return strncmp(text, "HTTP/", 5) == 0 && isdigit((unsigned char)text[5]) && text[6] == '.' &&
           isdigit((unsigned char)text[7]) && text[8] == '\0';
}

static int check_version(const char *version, struct err *err)
{
    if (!text_is_version(version)) {
        err_set(err, "the request line does not end with a version such as HTTP/1.1");
        return 400;
    }
    if (version[5] == '1')
        return 0;
    err_set(err, "version \"%s\": only HTTP/1.x is spoken here", version);
    return 505;
}

static int check_fields(const struct fields *fields, struct err *err)
{
    for (size_t i = 0; i < fields->count; i++) {
        const struct field *field = &fields->items[i];
        if (!text_is_token(field->name, field->name_length)) {
            err_set(err, "field name \"%s\" is no token", field->name);
            return 400;
        }
        if (!text_is_field_value(field->value, field->value_length)) {
            err_set(err, "control character in the value of %s", field->name);
            return 400;
        }
    }
    return 0;
}

static int check_host(const struct request_head *head, struct err *err)
{
    size_t count = fields_count_name(head->fields, "Host");
    if (count > 1) {
        err_set(err, "%zu Host fields", count);
        return 400;
    }
    if (count == 0) {
        if (strcmp(head->version, "HTTP/1.0") == 0)
            return 0;
        err_set(err, "no Host field");
        return 400;
    }
    const char *value = fields_find(head->fields, "Host")->value;
    // An empty Host is what a target without authority asks for (RFC 9112 section 3.2).
    if (value[0] != '\0' && !authority_is_valid(value)) {
        err_set(err, "Host \"%s\" is no host[:port]", value);
        return 400;
    }
    return 0;
}

// 1*DIGIT that fits; -1 otherwise.
static int64_t parse_length(const char *text)
{
    if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0')
        return -1;
    errno = 0;
    long long length = strtoll(text, NULL, 10);
    return errno == ERANGE ? -1 : (int64_t)length;
}

static size_t count_chunked(const char *codings)
{
    size_t count = 0;
    while (*codings != '\0') {
        codings += strspn(codings, " \t,");
        size_t length = strcspn(codings, " \t,");
        count += length == strlen("chunked") && strncasecmp(codings, "chunked", length) == 0;
        codings += strcspn(codings, ",");
    }
    return count;
}

static int check_transfer_encoding(const struct request_head *head, struct err *err)
{
    const struct field *field = fields_find(head->fields, "Transfer-Encoding");
    if (strcmp(head->version, "HTTP/1.0") == 0) {
        err_set(err, "Transfer-Encoding in an HTTP/1.0 request");
        return 400;
    }
    if (fields_count_name(head->fields, "Transfer-Encoding") > 1) {
        err_set(err, "more than one Transfer-Encoding field");
        return 400;
    }
    if (strcasecmp(field->value, "chunked") == 0)
        return 0;
    const char *last = strrchr(field->value, ',');
    last = last == NULL ? field->value : last + 1 + strspn(last + 1, " \t");
    bool ends_chunked = strcasecmp(last, "chunked") == 0;
    err_set(err, "Transfer-Encoding \"%s\": only chunked is understood", field->value);
    return ends_chunked && count_chunked(field->value) == 1 ? 501 : 400;
}

static int check_framing(const struct request_head *head, int64_t *body_length, struct err *err)
{
    size_t lengths = fields_count_name(head->fields, "Content-Length");
    bool has_coding = fields_find(head->fields, "Transfer-Encoding") != NULL;
    *body_length = 0;
    if (lengths > 1 || (lengths == 1 && has_coding)) {
        err_set(err, has_coding ? "Content-Length together with Transfer-Encoding"
                                : "more than one Content-Length field");
        return 400;
    }
    if (has_coding) {
        *body_length = BODY_LENGTH_CHUNKED;
        return check_transfer_encoding(head, err);
    }
    if (lengths == 1) {
        const char *value = fields_find(head->fields, "Content-Length")->value;
        *body_length = parse_length(value);
        if (*body_length < 0) {
            err_set(err, "Content-Length \"%s\" is no length", value);
            return 400;
        }
    }
    return 0;
}

int request_head_check(const struct request_head *head, int64_t *body_length, struct err *err)
{
    int status = check_version(head->version, err);
    if (status == 0 && !text_is_token(head->method, strlen(head->method))) {
        err_set(err, "method \"%s\" is no token", head->method);
        status = 400;
    }
    if (status == 0)
        status = check_fields(head->fields, err);
    if (status == 0)
        status = check_host(head, err);
    if (status == 0)
        status = check_framing(head, body_length, err);
    return status;
}

bool method_is_idempotent(const char *method)
{
    static const char *const idempotent[] = {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"};
    for (size_t i = 0; i < sizeof(idempotent) / sizeof(idempotent[0]); i++)
        if (strcmp(method, idempotent[i]) == 0)
            return true;
    return false;
}

bool status_has_body(int status, const char *method)
{
    return status >= 200 && status != 204 && status != 304 && strcmp(method, "HEAD") != 0;
}

static const char *const framing_fields[] = {
    "Host", "Content-Length", "Content-Type", "Content-Encoding", "Date", "Expect"};
static const char *const hop_fields[] = {
    "Connection",        "Keep-Alive", "Proxy-Connection",   "TE",
    "Transfer-Encoding", "Upgrade",    "Proxy-Authorization"};

static bool is_any_of(const struct field *field, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (field_is_named(field, names[i]))
            return true;
    return false;
}

bool field_is_hop_by_hop(const struct fields *fields, const struct field *field)
{
    if (is_any_of(field, hop_fields, sizeof(hop_fields) / sizeof(hop_fields[0])))
        return true;
    if (is_any_of(field, framing_fields, sizeof(framing_fields) / sizeof(framing_fields[0])))
        return false;
    return fields_list_has(fields, "Connection", field->name) ||
           fields_list_has(fields, "Proxy-Connection", field->name);
}

static const char *lower_until(const char *value, const char *stop, struct arena *arena)
{
    size_t length = strcspn(value, stop);
    while (length > 0 && (value[length - 1] == ' ' || value[length - 1] == '\t'))
        length--;
    if (length == 0)
        return NULL;
    char *copy = arena_strndup(arena, value, length);
    for (char *at = copy; *at != '\0'; at++)
        *at = (char)tolower((unsigned char)*at);
    return copy;
}

const char *media_type_of_value(const char *value, struct arena *arena)
{
    return lower_until(value, ";,", arena);
}

const char *media_type(const struct fields *fields, struct arena *arena)
{
    const struct field *field = fields_find(fields, "Content-Type");
    return field == NULL ? NULL : media_type_of_value(field->value, arena);
}

const char *content_encoding(const struct fields *fields, struct arena *arena)
{
    struct buffer codings = {0};
    for (size_t i = 0; i < fields->count; i++)
        if (field_is_named(&fields->items[i], "Content-Encoding") &&
            fields->items[i].value_length > 0)
            buffer_printf(&codings, "%s%s", codings.length > 0 ? ", " : "", fields->items[i].value);
    const char *coding = codings.length > 0 ? lower_until(codings.data, "", arena) : NULL;
    buffer_fini(&codings);
    return coding != NULL && strcmp(coding, "identity") == 0 ? NULL : coding;
}
