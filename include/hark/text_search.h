// SPDX-License-Identifier: MIT
// Looking for a text in bytes that come in pieces, without regard to the case of ASCII letters.
#ifndef HARK_TEXT_SEARCH_H
#define HARK_TEXT_SEARCH_H

#include <stdbool.h>
#include <stddef.h>

// Owner: who created it. Thread: one at a time.
struct text_search;

// `text` has at least one byte.
struct text_search *text_search_create(const char *text, size_t length);
void text_search_destroy(struct text_search *search); // takes NULL

// Forgets the pieces before.
void text_search_restart(struct text_search *search);
// Does the text end in this piece, begun in it or in one before?
bool text_search_feed(struct text_search *search, const void *data, size_t length);

#endif
