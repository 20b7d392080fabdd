// SPDX-License-Identifier: MIT
// Comparing text by lines: the fewest lines removed and added, as E. W. Myers finds them ("An O(ND)
// difference algorithm and its variations", 1986), within limits.
#include "diff_private.h"

#include "hark/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// Beyond these what differs is told as one block: more nobody reads, and time and memory end.
#define EDITS_MAX 1000
#define LINES_MAX 100000

struct line {
    const char *data; // with its newline
    size_t length;
    uint64_t hash;
    bool is_edited; // removed, or added
};

struct lines {
    struct line *items;
    size_t count;
};

// --- lines ---------------------------------------------------------------------------------------

static uint64_t hash_of(const char *data, size_t length) // FNV-1a
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)data[i]) * UINT64_C(1099511628211);
    return hash;
}

static struct lines split(const struct buffer *text)
{
    struct lines lines = {0};
    size_t capacity = 0;
    for (size_t at = 0; at < text->length;) {
        const char *data = text->data + at;
        const char *newline = memchr(data, '\n', text->length - at);
        size_t length = newline == NULL ? text->length - at : (size_t)(newline - data) + 1;
        if (lines.count == capacity) {
            capacity = capacity == 0 ? 64 : 2 * capacity;
            lines.items = mem_realloc(lines.items, capacity * sizeof(lines.items[0]));
        }
        lines.items[lines.count++] =
            (struct line){.data = data, .length = length, .hash = hash_of(data, length)};
        at += length;
    }
    return lines;
}

static bool is_same(const struct line *a, const struct line *b)
{
    return a->hash == b->hash && a->length == b->length && memcmp(a->data, b->data, a->length) == 0;
}

// --- the shortest way ----------------------------------------------------------------------------

// Where the search stands: after `edits` edits, for each diagonal k = x - y from -edits to edits,
// the furthest x (lines of the first text) that can be reached. All steps are kept, to go back.
struct search {
    struct lines first, second;  // without what is equal at both ends
    int *reached[EDITS_MAX + 1]; // 2 * edits + 1 numbers each
    int edits;
};

static int reached_at(const struct search *search, int edits, int diagonal)
{
    return search->reached[edits][diagonal + edits];
}

// Does the way to this diagonal end with an added line (else with a removed one)?
static bool comes_from_added(const struct search *search, int edits, int diagonal)
{
    if (diagonal == -edits)
        return true;
    return diagonal != edits && reached_at(search, edits - 1, diagonal - 1) <
                                    reached_at(search, edits - 1, diagonal + 1);
}

static int begin_of(const struct search *search, int edits, int diagonal)
{
    if (edits == 0)
        return 0;
    return comes_from_added(search, edits, diagonal)
               ? reached_at(search, edits - 1, diagonal + 1)
               : reached_at(search, edits - 1, diagonal - 1) + 1;
}

static int follow_equal_lines(const struct search *search, int x, int diagonal)
{
    while ((size_t)x < search->first.count && (size_t)(x - diagonal) < search->second.count &&
           is_same(&search->first.items[x], &search->second.items[x - diagonal]))
        x++;
    return x;
}

// Is the end reached with this number of edits?
static bool take_step(struct search *search, int edits)
{
    search->edits = edits;
    search->reached[edits] = mem_calloc(2 * (size_t)edits + 1, sizeof(int));
    for (int diagonal = -edits; diagonal <= edits; diagonal += 2) {
        int x = begin_of(search, edits, diagonal);
        // Beyond the ends there is nothing to follow; such ways lead nowhere, and cost little.
        if (x - diagonal >= 0)
            x = follow_equal_lines(search, x, diagonal);
        search->reached[edits][diagonal + edits] = x;
        if ((size_t)x >= search->first.count && x - diagonal >= (int)search->second.count)
            return true;
    }
    return false;
}

// Goes back from the end and marks the lines that were removed and added.
static void mark_edits(struct search *search)
{
    int diagonal = (int)search->first.count - (int)search->second.count;
    for (int edits = search->edits; edits > 0; edits--) {
        int x = begin_of(search, edits, diagonal);
        if (comes_from_added(search, edits, diagonal)) {
            search->second.items[x - diagonal - 1].is_edited = true;
            diagonal++;
        } else {
            search->first.items[x - 1].is_edited = true;
            diagonal--;
        }
    }
}

static bool find_edits(struct search *search)
{
    bool is_found = false;
    if (search->first.count <= LINES_MAX && search->second.count <= LINES_MAX)
        for (int edits = 0; edits <= EDITS_MAX && !is_found; edits++)
            is_found = take_step(search, edits);
    if (is_found)
        mark_edits(search);
    for (int edits = 0; edits <= EDITS_MAX; edits++)
        free(search->reached[edits]);
    return is_found;
}

// --- telling -------------------------------------------------------------------------------------

struct telling {
    struct diff *diff;
    const char *where;
    size_t equal_before; // lines before those that were searched
};

static struct difference_value value_of(const struct line *line)
{
    if (line == NULL)
        return (struct difference_value){0};
    bool has_newline = line->data[line->length - 1] == '\n';
    return (struct difference_value){line->data, line->length - has_newline};
}

static bool lacks_newline(const struct line *line)
{
    return line->data[line->length - 1] != '\n';
}

// What is counted: the lines of a body; of messages there is no other word.
static const char *unit_of(const char *where)
{
    return strcmp(where, "body") == 0 ? "line " : "";
}

static void tell_line(const struct telling *telling, size_t number, const struct line *old,
                      const struct line *new)
{
    char path[32];
    snprintf(path, sizeof(path), "%s%zu", unit_of(telling->where), number + 1);
    const char *note = NULL;
    if (old != NULL && new != NULL && lacks_newline(old) != lacks_newline(new))
        note = lacks_newline(old) ? "the first has no newline at its end"
                                  : "the second has no newline at its end";
    diff_tell(telling->diff, &(struct difference){.where = telling->where,
                                                  .path = path,
                                                  .kind = old == NULL   ? DIFFERENCE_ADDED
                                                          : new == NULL ? DIFFERENCE_REMOVED
                                                                        : DIFFERENCE_CHANGED,
                                                  .old = value_of(old),
                                                  .new = value_of(new),
                                                  .note = note});
}

// Lines removed and added at the same place stand for each other as far as there are both. Numbers
// are those of the first text, of added lines those of the second.
static void tell_edits(const struct telling *telling, const struct search *search)
{
    const struct lines *first = &search->first;
    const struct lines *second = &search->second;
    size_t x = 0, y = 0;
    while (x < first->count || y < second->count) {
        const struct line *old = x < first->count ? &first->items[x] : NULL;
        const struct line *new = y < second->count ? &second->items[y] : NULL;
        bool is_removed = old != NULL && old->is_edited;
        bool is_added = new != NULL &&new->is_edited;
        if (is_removed || is_added)
            tell_line(telling, telling->equal_before + (is_removed ? x : y),
                      is_removed ? old : NULL, is_added ? new : NULL);
        bool is_equal = !is_removed && !is_added;
        x += is_removed || is_equal;
        y += is_added || is_equal;
    }
}

static void tell_block(const struct telling *telling, const struct search *search)
{
    char path[64], old[64], new[64];
    snprintf(path, sizeof(path), "from %s%zu", unit_of(telling->where), telling->equal_before + 1);
    int old_length = snprintf(old, sizeof(old), "%zu lines", search->first.count);
    int new_length = snprintf(new, sizeof(new), "%zu other lines", search->second.count);
    diff_tell(telling->diff,
              &(struct difference){.where = telling->where,
                                   .path = path,
                                   .kind = DIFFERENCE_CHANGED,
                                   .old = {old, (size_t)old_length},
                                   .new = {new, (size_t)new_length},
                                   .note = "too much differs to be told line by line"});
}

// --- the ends ------------------------------------------------------------------------------------

static size_t count_equal_before(const struct lines *first, const struct lines *second)
{
    size_t count = 0;
    while (count < first->count && count < second->count &&
           is_same(&first->items[count], &second->items[count]))
        count++;
    return count;
}

static struct lines without_equal_before(const struct lines *lines, size_t count)
{
    return count == 0 ? *lines : (struct lines){lines->items + count, lines->count - count};
}

static void drop_equal_after(struct lines *first, struct lines *second)
{
    while (first->count > 0 && second->count > 0 &&
           is_same(&first->items[first->count - 1], &second->items[second->count - 1])) {
        first->count--;
        second->count--;
    }
}

void diff_lines(struct diff *diff, const char *where, const struct buffer *first,
                const struct buffer *second)
{
    struct lines first_lines = split(first);
    struct lines second_lines = split(second);
    size_t equal_before = count_equal_before(&first_lines, &second_lines);
    struct search search = {
        .first = without_equal_before(&first_lines, equal_before),
        .second = without_equal_before(&second_lines, equal_before),
    };
    drop_equal_after(&search.first, &search.second);
    const struct telling telling = {diff, where, equal_before};
    if (find_edits(&search))
        tell_edits(&telling, &search);
    else
        tell_block(&telling, &search);
    free(first_lines.items);
    free(second_lines.items);
}
