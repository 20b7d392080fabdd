// SPDX-License-Identifier: MIT
// Request targets. The input is the method, a newline, and the target.
#include "fuzz.h"

#include "hark/message.h"

static void check_host(const struct target *target)
{
    bool is_ipv6 = target->authority[0] == '[';
    assert(target->host != NULL && target->host[0] != '\0');
    assert(target->port >= 1 && target->port <= 65535);
    assert(authority_is_valid(target->authority));
    for (const char *at = target->host; *at != '\0'; at++) {
        assert((unsigned char)*at > ' ' && *at != 0x7f);
        assert(!(*at >= 'A' && *at <= 'Z'));
        assert(strchr("/?#@[]\\", *at) == NULL);
        assert(*at != ':' || is_ipv6);
    }
}

// Path and query are octets of the target, in their place at its end.
static void check_octets(const struct target *target, const char *text)
{
    size_t length = strlen(text);
    size_t query_length = target->query == NULL ? 0 : strlen(target->query) + 1;
    assert(query_length <= length);
    if (target->query != NULL) {
        assert(text[length - query_length] == '?');
        assert(strcmp(text + length - query_length + 1, target->query) == 0);
    }
    size_t path_length = strlen(target->path);
    if (strcmp(target->path, "/") == 0 || strcmp(target->path, "*") == 0)
        return;
    assert(target->path[0] == '/' && strchr(target->path, '?') == NULL);
    assert(query_length + path_length <= length);
    const char *path = text + length - query_length - path_length;
    assert(memcmp(path, target->path, path_length) == 0);
}

static void check(const char *method, const char *text)
{
    struct arena arena = {0};
    struct target target;
    struct err err = {0};
    int status = target_parse(&target, &arena, method, text, &err);
    assert(status == 0 || status == 400);
    assert(err.is_set == (status != 0));
    if (status == 0) {
        assert((target.form == TARGET_AUTHORITY) == (strcmp(method, "CONNECT") == 0));
        assert((target.host != NULL) ==
               (target.form == TARGET_ABSOLUTE || target.form == TARGET_AUTHORITY));
        if (target.host != NULL)
            check_host(&target);
        if (target.form != TARGET_AUTHORITY)
            check_octets(&target, text);
    }
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    char *rest = text;
    const char *method = fuzz_next_line(&rest);
    if (rest != NULL)
        check(method, rest);
    free(text);
    return 0;
}
