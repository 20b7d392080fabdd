// SPDX-License-Identifier: MIT
// Request targets. Path and query are cut out of the target as they are, since an intermediary
// must not touch their octets (RFC 9110 section 7.7); only the authority goes through libcurl's
// URL parser, the one that will connect to it.
#include "hark/message.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool has_forbidden_octet(const char *target)
{
    for (const unsigned char *at = (const unsigned char *)target; *at != '\0'; at++)
        if (*at <= ' ' || *at == 0x7f || *at == '#')
            return true;
    return false;
}

static char *lower_case(struct arena *arena, const char *text, size_t length)
{
    char *copy = arena_strndup(arena, text, length);
    for (char *at = copy; *at != '\0'; at++)
        *at = (char)tolower((unsigned char)*at);
    return copy;
}

static const char *without_brackets(struct arena *arena, const char *host)
{
    size_t length = strlen(host);
    if (length >= 2 && host[0] == '[')
        return lower_case(arena, host + 1, length - 2);
    return lower_case(arena, host, length);
}

// What may be in an authority at all (RFC 3986 section 3.2): libcurl is less strict.
static bool has_authority_octets_only(const char *authority)
{
    for (const char *at = authority; *at != '\0'; at++) {
        unsigned char c = (unsigned char)*at;
        if (c == '%' && (!isxdigit((unsigned char)at[1]) || !isxdigit((unsigned char)at[2])))
            return false;
        if (!isalnum(c) && strchr("-._~%!$&'()*+,;=:[]", c) == NULL)
            return false;
    }
    return true;
}

// Fills host and port from an authority such as "h", "h:80", "[::1]:80"; false if it is none. The
// port that is not there is the scheme's.
static bool split_authority(const char *scheme, const char *authority, struct arena *arena,
                            const char **host, int *port)
{
    // libcurl takes "h:" for "h"; RFC 9110 section 4.2.1 allows it, too.
    if (!has_authority_octets_only(authority) || authority[0] == '\0' || authority[0] == ':')
        return false;
    CURLU *url = curl_url();
    char *host_text = NULL;
    char *port_text = NULL;
    struct buffer full = {0};
    buffer_printf(&full, "%s://%s/", scheme, authority);
    bool is_valid = url != NULL && curl_url_set(url, CURLUPART_URL, full.data, 0) == CURLUE_OK &&
                    curl_url_get(url, CURLUPART_HOST, &host_text, 0) == CURLUE_OK &&
                    !has_forbidden_octet(host_text) && // after percent decoding
                    curl_url_get(url, CURLUPART_PORT, &port_text, CURLU_DEFAULT_PORT) == CURLUE_OK;
    if (is_valid && arena != NULL) {
        *host = without_brackets(arena, host_text);
        *port = atoi(port_text);
    }
    is_valid = is_valid && atoi(port_text) > 0;
    curl_free(host_text);
    curl_free(port_text);
    curl_url_cleanup(url);
    buffer_fini(&full);
    return is_valid;
}

bool authority_is_valid(const char *authority)
{
    return split_authority("http", authority, NULL, NULL, NULL);
}

static void split_path(struct target *target, struct arena *arena, const char *rest)
{
    size_t path_length = strcspn(rest, "?");
    target->path = path_length == 0 ? "/" : arena_strndup(arena, rest, path_length);
    target->query = rest[path_length] == '?' ? arena_strdup(arena, rest + path_length + 1) : NULL;
}

static int parse_absolute(struct target *target, struct arena *arena, const char *text,
                          const char *separator, struct err *err)
{
    target->form = TARGET_ABSOLUTE;
    target->scheme = lower_case(arena, text, (size_t)(separator - text));
    bool is_https = strcmp(target->scheme, "https") == 0;
    if (!is_https && strcmp(target->scheme, "http") != 0) {
        err_set(err, "scheme \"%s\" is not forwarded: only http and https are", target->scheme);
        return 400;
    }
    const char *authority = separator + 3;
    size_t length = strcspn(authority, "/?");
    target->authority = arena_strndup(arena, authority, length);
    if (strchr(target->authority, '@') != NULL) {
        err_set(err, "user name or password in the target; send an Authorization field instead");
        return 400;
    }
    if (!split_authority(target->scheme, target->authority, arena, &target->host, &target->port)) {
        err_set(err, "\"%s\" in the target is no host[:port]", target->authority);
        return 400;
    }
    split_path(target, arena, authority + length);
    return 0;
}

// OPTIONS http://host has an empty path: it means the server, "*" (RFC 9112 section 3.2.4).
static void apply_options_rule(struct target *target, const char *method, const char *text)
{
    const char *rest = text + strlen(target->scheme) + strlen("://") + strlen(target->authority);
    if (strcmp(method, "OPTIONS") == 0 && *rest == '\0')
        target->path = "*";
}

static int parse_authority(struct target *target, struct arena *arena, const char *text,
                           struct err *err)
{
    target->form = TARGET_AUTHORITY;
    target->authority = arena_strdup(arena, text);
    const char *colon = strrchr(text, ':');
    bool has_port =
        colon != NULL && colon[1] != '\0' && strspn(colon + 1, "0123456789") == strlen(colon + 1);
    if (has_port && split_authority("http", text, arena, &target->host, &target->port))
        return 0;
    err_set(err, "the target of CONNECT is no host:port");
    return 400;
}

int target_parse(struct target *target, struct arena *arena, const char *method,
                 const char *request_target, struct err *err)
{
    *target = (struct target){0};
    if (has_forbidden_octet(request_target)) {
        err_set(err, "white space, control character or fragment in the target");
        return 400;
    }
    if (strcmp(method, "CONNECT") == 0)
        return parse_authority(target, arena, request_target, err);
    if (request_target[0] == '/') {
        target->form = TARGET_ORIGIN;
        split_path(target, arena, request_target);
        return 0;
    }
    if (strcmp(request_target, "*") == 0) {
        target->form = TARGET_ASTERISK;
        target->path = "*";
        return 0;
    }
    const char *separator = strstr(request_target, "://");
    if (separator == NULL || separator == request_target) {
        err_set(err, "the target is neither http://host/path nor /path");
        return 400;
    }
    int status = parse_absolute(target, arena, request_target, separator, err);
    if (status == 0)
        apply_options_rule(target, method, request_target);
    return status;
}
