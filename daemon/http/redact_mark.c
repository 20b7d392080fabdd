// SPDX-License-Identifier: MIT
// HMAC-SHA256, of which eight bytes are shown. Most values are short: they are hashed in one go.
#include "redact_mark.h"

#include "hark/redact.h"

#include <stdlib.h>
#include <string.h>

#define HASH_BYTES  32
#define SHOWN_BYTES 8

static const char mark_start[] = REDACT_MARK_WORD ":";

// --- recognising them ----------------------------------------------------------------------------

// May this byte be at this place of a mark?
static bool fits(char byte, size_t place)
{
    if (place < strlen(mark_start))
        return byte == mark_start[place];
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f');
}

// The byte that a mark begins with is nowhere else in it: what does not fit can only begin one.
bool redact_search(struct redact_search *search, const char *text, size_t length)
{
    size_t matched = search->matched;
    for (size_t i = 0; i < length && matched < REDACT_MARK_BYTES; i++) {
        if (matched == 0) {
            const char *start = memchr(text + i, mark_start[0], length - i);
            if (start == NULL)
                break;
            i = (size_t)(start - text);
        }
        matched = fits(text[i], matched) ? matched + 1 : text[i] == mark_start[0];
    }
    bool is_found = matched == REDACT_MARK_BYTES;
    search->matched = is_found ? 0 : matched;
    return is_found;
}

bool redact_has_mark(const char *text, size_t length)
{
    return redact_search(&(struct redact_search){0}, text, length);
}

bool redact_is_mark(const char *text, size_t length)
{
    return length == REDACT_MARK_BYTES && redact_has_mark(text, length);
}

// --- making one ----------------------------------------------------------------------------------

void redact_mark_begin(struct redact_mark *mark, const unsigned char *key)
{
    mark->key = key;
    mark->hmac = NULL;
    mark->length = 0;
}

static void hash_on(struct redact_mark *mark, const void *data, size_t length)
{
    if (mark->hmac == NULL) {
        if (gnutls_hmac_init(&mark->hmac, GNUTLS_MAC_SHA256, mark->key, REDACT_KEY_BYTES) != 0)
            abort(); // GnuTLS always has it
        gnutls_hmac(mark->hmac, mark->head, (size_t)mark->length);
    }
    gnutls_hmac(mark->hmac, data, length);
}

void redact_mark_add(struct redact_mark *mark, const void *data, size_t length)
{
    bool fits = mark->hmac == NULL && mark->length + length <= sizeof(mark->head);
    if (fits && length > 0)
        memcpy(mark->head + mark->length, data, length);
    else if (!fits && mark->key != NULL)
        hash_on(mark, data, length);
    mark->length += length;
}

bool redact_mark_is(const struct redact_mark *mark, const char *text)
{
    return mark->length == strlen(text) && memcmp(mark->head, text, strlen(text)) == 0;
}

static void append_hash(struct redact_mark *mark, struct buffer *out)
{
    unsigned char hash[HASH_BYTES];
    if (mark->hmac != NULL)
        gnutls_hmac_output(mark->hmac, hash);
    else if (gnutls_hmac_fast(GNUTLS_MAC_SHA256, mark->key, REDACT_KEY_BYTES, mark->head,
                              (size_t)mark->length, hash) != 0)
        abort(); // GnuTLS always has it
    for (size_t i = 0; i < SHOWN_BYTES; i++)
        buffer_printf(out, "%02x", hash[i]);
}

void redact_mark_end(struct redact_mark *mark, struct buffer *out)
{
    bool is_mark =
        mark->length == REDACT_MARK_BYTES && redact_is_mark(mark->head, (size_t)mark->length);
    if (mark->length == 0) {
        redact_mark_fini(mark);
        return;
    }
    if (mark->key == NULL) {
        buffer_append_text(out, REDACT_MARK_WORD);
    } else if (is_mark) {
        buffer_append(out, mark->head, (size_t)mark->length);
    } else {
        buffer_append_text(out, mark_start);
        append_hash(mark, out);
    }
    redact_mark_fini(mark);
}

void redact_mark_fini(struct redact_mark *mark)
{
    if (mark->hmac != NULL)
        gnutls_hmac_deinit(mark->hmac, NULL);
    mark->hmac = NULL;
}
