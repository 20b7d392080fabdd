// SPDX-License-Identifier: MIT
// First bytes. The client hello's extensions are walked by GnuTLS; around them are the record
// header (RFC 8446 section 5.1) and the handshake header (section 4), of fixed size.
#include "hello.h"

#include "hark/mem.h"
#include "hark/message.h"

#include <ctype.h>
#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_HANDSHAKE       0x16
#define RECORD_HEADER_BYTES    5
#define HANDSHAKE_HEADER_BYTES 4
#define RECORD_BYTES_MAX       16384
#define SERVER_NAME_EXTENSION  0
#define HOST_NAME_BYTES_MAX    253
#define METHOD_BYTES_MAX       32
#define LINE_BYTES_MAX         16384

static size_t record_length(const unsigned char *bytes)
{
    return (size_t)bytes[3] << 8 | bytes[4];
}

static enum hello judge_tls(const unsigned char *bytes, size_t length)
{
    if (length < RECORD_HEADER_BYTES)
        return HELLO_UNCLEAR;
    size_t record = record_length(bytes);
    if (bytes[1] != 3 || record == 0 || record > RECORD_BYTES_MAX)
        return HELLO_OTHER;
    return length < RECORD_HEADER_BYTES + record ? HELLO_UNCLEAR : HELLO_TLS;
}

// "METHOD target HTTP/1.x", as far as it has come.
static enum hello judge_line(const char *bytes, size_t length)
{
    const char *line_end = memchr(bytes, '\n', length);
    size_t line = line_end == NULL ? length : (size_t)(line_end - bytes);
    const char *space = memchr(bytes, ' ', line);
    size_t method = space == NULL ? line : (size_t)(space - bytes);
    if (method == 0 || method > METHOD_BYTES_MAX || !text_is_token(bytes, method) ||
        !isupper((unsigned char)bytes[0]))
        return HELLO_OTHER;
    if (line_end == NULL)
        return length < LINE_BYTES_MAX ? HELLO_UNCLEAR : HELLO_OTHER;
    return memmem(bytes, line, " HTTP/1.", 8) != NULL ? HELLO_HTTP : HELLO_OTHER;
}

enum hello hello_judge(const char *bytes, size_t length)
{
    if (length == 0)
        return HELLO_UNCLEAR;
    if (bytes[0] == RECORD_HANDSHAKE)
        return judge_tls((const unsigned char *)bytes, length);
    return judge_line(bytes, length);
}

// list length (2), type (1), name length (2), name
static int on_extension(void *ctx, unsigned id, const unsigned char *data, unsigned size)
{
    char **name = ctx;
    if (id != SERVER_NAME_EXTENSION || size < 5 || data[2] != 0 || *name != NULL)
        return 0;
    size_t length = (size_t)data[3] << 8 | data[4];
    if (length > 0 && length <= HOST_NAME_BYTES_MAX && length <= size - 5u)
        *name = mem_strndup((const char *)data + 5, length);
    return 0;
}

static bool is_host_name(const char *name)
{
    for (const char *at = name; *at != '\0'; at++)
        if (!isalnum((unsigned char)*at) && strchr("-._", *at) == NULL)
            return false;
    return name[0] != '\0';
}

char *hello_server_name(const char *bytes, size_t length)
{
    const size_t headers = RECORD_HEADER_BYTES + HANDSHAKE_HEADER_BYTES;
    if (length <= headers || bytes[0] != RECORD_HANDSHAKE)
        return NULL;
    const gnutls_datum_t body = {.data = (unsigned char *)bytes + headers,
                                 .size = (unsigned)(length - headers)};
    char *name = NULL;
    gnutls_ext_raw_parse(&name, on_extension, &body, GNUTLS_EXT_RAW_FLAG_TLS_CLIENT_HELLO);
    if (name != NULL && !is_host_name(name)) {
        free(name);
        name = NULL;
    }
    for (char *at = name; at != NULL && *at != '\0'; at++)
        *at = (char)tolower((unsigned char)*at);
    return name;
}
