// SPDX-License-Identifier: MIT
// Checks of the form of a value. Nothing is looked up or opened for good.

#include "config_checks.h"

#include "hark/address.h"
#include "hark/config.h"
#include "hark/mem.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LETTERS_AND_DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

int config_check_address(const char *text, struct err *err)
{
    struct address address;
    if (address_parse(text, &address) != 0)
        return err_set(err, "\"%s\" is not ADDR:PORT (an IP address; IPv6 in brackets)", text);
    return 0;
}

int config_check_address_or_off(const char *text, struct err *err)
{
    return strcmp(text, "off") == 0 ? 0 : config_check_address(text, err);
}

int config_check_cidr(const char *text, struct err *err)
{
    struct cidr cidr;
    if (cidr_parse(text, &cidr) != 0)
        return err_set(err, "\"%s\" is not an address range such as 192.168.1.0/24", text);
    return 0;
}

// Steps over a host, in brackets if it has colons, or over nothing; NULL for a bracket left open.
static const char *skip_host(const char *text)
{
    if (text[0] == '[') {
        const char *close = strchr(text, ']');
        return close == NULL ? NULL : close + 1;
    }
    return text + strcspn(text, ":");
}

static const char *skip_colon(const char *text)
{
    return text != NULL && text[0] == ':' ? text + 1 : NULL;
}

static const char *skip_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return digits <= 5 && strtol(text, NULL, 10) <= UINT16_MAX ? text + digits : NULL;
}

int config_client_cert_parse(const char *text, struct config_client_cert *client_cert)
{
    const char *after_host = skip_host(text);
    const char *file = skip_colon(after_host);
    if (file == NULL || after_host == text)
        return -1;
    bool is_bracketed = text[0] == '[';
    client_cert->host = text + is_bracketed;
    client_cert->host_length = (size_t)(after_host - text) - 2 * (size_t)is_bracketed;
    client_cert->port = 0;
    const char *after_port = skip_port(file);
    if (after_port != NULL && after_port > file && after_port[0] == ':') {
        client_cert->port = (int)strtol(file, NULL, 10);
        file = after_port + 1;
    }
    client_cert->file = file;
    return file[0] == '\0' ? -1 : 0;
}

int config_check_client_cert(const char *text, struct err *err)
{
    struct config_client_cert client_cert;
    if (config_client_cert_parse(text, &client_cert) != 0)
        return err_set(
            err, "\"%s\" is not HOST[:PORT]:FILE such as api.example.com:/etc/hark/me.pem", text);
    return config_check_file(client_cert.file, err);
}

int config_check_connect_to(const char *text, struct err *err)
{
    const char *at = skip_colon(skip_host(text));
    at = at == NULL ? NULL : skip_colon(skip_port(at));
    at = at == NULL ? NULL : skip_colon(skip_host(at));
    at = at == NULL ? NULL : skip_port(at);
    if (at == NULL || at[0] != '\0')
        return err_set(err, "\"%s\" is not HOST:PORT:TO-HOST:TO-PORT", text);
    return 0;
}

int config_check_field_name(const char *text, struct err *err)
{
    if (text[strspn(text, LETTERS_AND_DIGITS "!#$%&'*+-.^_`|~")] != '\0')
        return err_set(err, "\"%s\" is not the name of a header field", text);
    return 0;
}

int config_check_json_field(const char *text, struct err *err)
{
    const char *steps = text[0] == '/' ? text + 1 : text;
    char separator = text[0] == '/' ? '/' : '.';
    size_t length = strlen(steps);
    const char doubled[] = {separator, separator, '\0'};
    if (length > 0 && steps[0] != separator && steps[length - 1] != separator &&
        strstr(steps, doubled) == NULL)
        return 0;
    return err_set(err,
                   "\"%s\" is not the name or path of a field such as password, user.token or "
                   "/user/token",
                   text);
}

int config_check_file(const char *text, struct err *err)
{
    if (access(text, R_OK) != 0)
        return err_set(err, "cannot read \"%s\": %s", text, strerror(errno));
    return 0;
}

int config_check_host_pattern(const char *text, struct err *err)
{
    if (text[strspn(text, LETTERS_AND_DIGITS "-._*:[]")] != '\0')
        return err_set(err, "\"%s\" is not a host name such as *.example.com", text);
    return 0;
}

// What follows the scheme, or NULL if it is not one of the `schemes` (NULL-terminated).
static const char *skip_scheme(const char *text, const char *const *schemes)
{
    for (; *schemes != NULL; schemes++) {
        size_t length = strlen(*schemes);
        if (strncmp(text, *schemes, length) == 0)
            return text + length;
    }
    return NULL;
}

int config_check_playback_match(const char *text, struct err *err)
{
    static const char *const words[] = {"method", "scheme", "host", "port",
                                        "path",   "query",  "body", "headers"};
    static const char header[] = "header:";
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(text, words[i]) == 0)
            return 0;
    if (strncmp(text, header, strlen(header)) == 0 && text[strlen(header)] != '\0')
        return config_check_field_name(text + strlen(header), err);
    return err_set(err,
                   "\"%s\" is not method, scheme, host, port, path, query, body, headers or "
                   "header:NAME",
                   text);
}

char *config_mask_login(const char *text)
{
    const char *at = strrchr(text, '@');
    const char *scheme = strstr(text, "://");
    if (at == NULL)
        return mem_strdup(text);
    int kept = scheme != NULL && scheme < at ? (int)(scheme + strlen("://") - text) : 0;
    return mem_printf("%.*s***%s", kept, text, at);
}

int config_check_proxy_url(const char *text, struct err *err)
{
    static const char *const schemes[] = {"http://",   "https://",   "socks4://", "socks4a://",
                                          "socks5://", "socks5h://", NULL};
    const char *authority = skip_scheme(text, schemes);
    if (authority != NULL && authority[0] != '\0' && strpbrk(text, " \t") == NULL)
        return 0;
    char *shown = config_mask_login(text);
    err_set(err, "\"%s\" is not the URL of a proxy such as http://proxy:3128", shown);
    free(shown);
    return -1;
}

// What stands before the "=" is an address?
static bool has_address(const char *text, size_t length)
{
    char listen[64];
    struct address address;
    if (length >= sizeof listen)
        return false;
    memcpy(listen, text, length);
    listen[length] = '\0';
    return address_parse(listen, &address) == 0;
}

static int set_bad_reverse(const char *text, const char *rest, struct err *err)
{
    char *shown = config_mask_login(text);
    char *shown_rest = config_mask_login(rest);
    if (rest[0] == '\0')
        err_set(err, "\"%s\" is not ADDR:PORT=ORIGIN such as 127.0.0.1:8080=https://example.com",
                shown);
    else
        err_set(err,
                "\"%s\" has more than scheme, host and port (\"%s\"); paths are passed on as they "
                "are asked for",
                shown, shown_rest);
    free(shown);
    free(shown_rest);
    return -1;
}

int config_check_reverse(const char *text, struct err *err)
{
    static const char *const schemes[] = {"http://", "https://", NULL};
    size_t length = strcspn(text, "=");
    const char *authority = text[length] == '=' && has_address(text, length)
                                ? skip_scheme(text + length + 1, schemes)
                                : NULL;
    size_t authority_length = authority == NULL ? 0 : strcspn(authority, "/?#@ \t");
    if (authority_length == 0)
        return set_bad_reverse(text, "", err);
    const char *rest = authority + authority_length;
    return rest[0] == '\0' || strcmp(rest, "/") == 0 ? 0 : set_bad_reverse(text, rest, err);
}
