// SPDX-License-Identifier: MIT
// The token that the API wants over TCP: a secret in a private file of the data folder.
#ifndef HARK_CONTROL_TOKEN_H
#define HARK_CONTROL_TOKEN_H

#include "hark/err.h"

#include <stdbool.h>
#include <stddef.h>

#define TOKEN_LENGTH 64 // 32 random bytes in hexadecimal
#define TOKEN_COOKIE "hark_token"

struct token {
    char text[TOKEN_LENGTH + 1];
};

// Reads the file, or makes it (mode 0600) if there is none or it holds no token.
int token_load(const char *folder, struct token *token, struct err *err);

// Each takes the same time whatever is in the text. NULL: none came.
bool token_is_same(const struct token *token, const char *text, size_t length);
// Does an Authorization field carry the token?
bool token_is_granted(const struct token *token, const char *authorization);

// What a browser gets in the token's place. It sends its cookies to whatever listens on any port of
// the same host, so this one is of use only to the peer that it was made for: see peer.h.
struct token token_for_page(const struct token *token, const char *peer);
// Does a Cookie field carry that, under the name TOKEN_COOKIE?
bool token_is_in_cookie(const struct token *for_page, const char *cookie);

#endif
