// SPDX-License-Identifier: MIT
// What an exchange's configuration wants redacted, applied to what of the exchange is recorded,
// logged or told. What is forwarded is never touched.
#ifndef HARK_PROXY_REDACTING_H
#define HARK_PROXY_REDACTING_H

#include "hark/buffer.h"
#include "hark/redact.h"
#include "hark/row.h"

#include <stdbool.h>

struct exchange;

struct redaction redacting_rules(const struct exchange *exchange);
bool redacting_is_off(const struct exchange *exchange);
// The URL of an exchange as it may be told.
void redacting_append_url(const struct exchange *exchange, struct buffer *out);

#endif
