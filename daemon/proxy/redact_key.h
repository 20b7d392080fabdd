// SPDX-License-Identifier: MIT
// The key of the marks that stand for redacted values: `redact-key` in the data folder. Whoever has
// it can try values out.
#ifndef HARK_PROXY_REDACT_KEY_H
#define HARK_PROXY_REDACT_KEY_H

#include "hark/err.h"
#include "hark/redact.h"

#define REDACT_KEY_NAME "redact-key"

// Reads the key, or makes one if there is none.
int redact_key_load(const char *folder, unsigned char key[REDACT_KEY_BYTES], struct err *err);
// One for this process alone.
int redact_key_make(unsigned char key[REDACT_KEY_BYTES], struct err *err);

#endif
