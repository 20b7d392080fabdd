// SPDX-License-Identifier: MIT
// The token that the API wants over TCP: a secret in a private file of the data folder.
#ifndef HARK_CONTROL_TOKEN_H
#define HARK_CONTROL_TOKEN_H

#include "hark/err.h"

#include <stdbool.h>

#define TOKEN_LENGTH 64 // 32 random bytes in hexadecimal

struct token {
    char text[TOKEN_LENGTH + 1];
};

// Reads the file, or makes it (mode 0600) if there is none or it holds no token.
int token_load(const char *folder, struct token *token, struct err *err);

// Does an Authorization field (NULL: none came) carry the token? Takes the same time whatever is
// in it.
bool token_is_granted(const struct token *token, const char *authorization);

#endif
