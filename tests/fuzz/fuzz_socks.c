// SPDX-License-Identifier: MIT
// The messages of SOCKS 5. The first byte picks the kind; what is whole must stay the same with
// fewer bytes behind it, and must not be whole with one byte less.
#include "fuzz.h"

#include "hark/message.h"
#include "hark/socks.h"

static void check_request(const uint8_t *bytes, size_t length)
{
    struct socks_request request;
    struct socks_request shorter;
    ssize_t whole = socks_parse_request(bytes, length, &request);
    assert(whole >= SOCKS_BAD && whole <= (ssize_t)length);
    if (whole <= 0)
        return;
    assert(socks_parse_request(bytes, (size_t)whole, &shorter) == whole);
    assert(strcmp(request.authority, shorter.authority) == 0);
    assert(socks_parse_request(bytes, (size_t)whole - 1, &shorter) == SOCKS_MORE);
    if (!request.is_known_address)
        return;
    struct arena arena = {0};
    struct target target;
    struct err err = {0};
    assert(strpbrk(request.authority, "/?#@ \r\n") == NULL);
    target_parse(&target, &arena, "CONNECT", request.authority, &err);
    arena_fini(&arena);
}

static void check_password(const uint8_t *bytes, size_t length)
{
    struct socks_password password;
    ssize_t whole = socks_parse_password(bytes, length, &password);
    assert(whole >= SOCKS_BAD && whole <= (ssize_t)length);
    if (whole > 0)
        assert(strlen(password.user) + strlen(password.password) + 3 == (size_t)whole);
}

static void check_greeting(const uint8_t *bytes, size_t length)
{
    struct socks_greeting greeting;
    ssize_t whole = socks_parse_greeting(bytes, length, &greeting);
    assert(whole >= SOCKS_BAD && whole <= (ssize_t)length);
    if (whole > 0)
        assert(socks_parse_greeting(bytes, (size_t)whole - 1, &greeting) == SOCKS_MORE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    switch (data[0] % 3) {
    case 0:
        check_greeting(data + 1, size - 1);
        break;
    case 1:
        check_password(data + 1, size - 1);
        break;
    default:
        check_request(data + 1, size - 1);
        break;
    }
    return 0;
}
