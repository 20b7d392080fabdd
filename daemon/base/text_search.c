// SPDX-License-Identifier: MIT
// The rarest byte of the text is looked for with memchr(), in both its cases; where it stands, the
// rest is compared. What stands across two pieces is found in a short copy of their ends.
#include "hark/text_search.h"

#include "hark/mem.h"

#include <stdlib.h>
#include <string.h>

struct text_search {
    char *text; // in lower case
    size_t length;
    size_t anchor; // place of the rarest byte in it
    char anchor_cases[2];
    char *seam; // the last bytes of what came before, at most length - 1, then some of the piece
    size_t before_length;
};

// Bytes that are frequent in texts and JSON, the most frequent first; all others count as rare.
static const char frequent[] = " eta\"o,inrs:lhdc0u1mp/fg2-w.3yb4_v5k}{6789jxzq";

static char to_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static size_t rarity(char c)
{
    const char *at = c == '\0' ? NULL : strchr(frequent, c);
    return at == NULL ? sizeof(frequent) : (size_t)(at - frequent);
}

struct text_search *text_search_create(const char *text, size_t length)
{
    struct text_search *search = mem_calloc(1, sizeof(*search));
    search->text = mem_calloc(1, length);
    search->length = length;
    search->seam = mem_calloc(2, length);
    for (size_t i = 0; i < length; i++) {
        search->text[i] = to_lower(text[i]);
        if (rarity(search->text[i]) > rarity(search->text[search->anchor]))
            search->anchor = i;
    }
    char anchor = search->text[search->anchor];
    search->anchor_cases[0] = anchor;
    search->anchor_cases[1] = anchor >= 'a' && anchor <= 'z' ? (char)(anchor & ~0x20) : anchor;
    return search;
}

void text_search_destroy(struct text_search *search)
{
    if (search == NULL)
        return;
    free(search->text);
    free(search->seam);
    free(search);
}

void text_search_restart(struct text_search *search)
{
    search->before_length = 0;
}

static bool stands_at(const struct text_search *search, const char *at)
{
    for (size_t i = 0; i < search->length; i++)
        if (to_lower(at[i]) != search->text[i])
            return false;
    return true;
}

static const char *next_byte(const char *at, const char *end, char byte)
{
    const char *found = at < end ? memchr(at, byte, (size_t)(end - at)) : NULL;
    return found == NULL ? end : found;
}

static bool is_in(const struct text_search *search, const char *data, size_t length)
{
    if (length < search->length)
        return false;
    const char *begin = data + search->anchor;
    const char *end = begin + (length - search->length) + 1;
    const char *next[2];
    bool has_cases = search->anchor_cases[0] != search->anchor_cases[1];
    next[0] = next_byte(begin, end, search->anchor_cases[0]);
    next[1] = has_cases ? next_byte(begin, end, search->anchor_cases[1]) : end;
    while (next[0] < end || next[1] < end) {
        int nearer = next[1] < next[0];
        if (stands_at(search, next[nearer] - search->anchor))
            return true;
        next[nearer] = next_byte(next[nearer] + 1, end, search->anchor_cases[nearer]);
    }
    return false;
}

bool text_search_feed(struct text_search *search, const void *data, size_t length)
{
    if (length == 0)
        return false;
    size_t kept_max = search->length - 1;
    size_t head = length < kept_max ? length : kept_max;
    memcpy(search->seam + search->before_length, data, head);
    size_t seam_length = search->before_length + head;
    if ((search->before_length > 0 && is_in(search, search->seam, seam_length)) ||
        is_in(search, data, length))
        return true;

    bool is_seam_all = length <= kept_max; // the piece is in it whole
    const char *end = is_seam_all ? search->seam + seam_length : (const char *)data + length;
    size_t kept = is_seam_all && seam_length < kept_max ? seam_length : kept_max;
    memmove(search->seam, end - kept, kept);
    search->before_length = kept;
    return false;
}
