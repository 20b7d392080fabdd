// SPDX-License-Identifier: MIT
#include "redacting.h"

#include "exchange.h"

struct redaction redacting_rules(const struct exchange *exchange)
{
    return redaction_of(exchange->config, exchange->worker->redact_key);
}

bool redacting_is_off(const struct exchange *exchange)
{
    const struct redaction rules = redacting_rules(exchange);
    return redaction_is_off(&rules);
}

void redacting_append_url(const struct exchange *exchange, struct buffer *out)
{
    const struct redaction rules = redacting_rules(exchange);
    struct buffer url = {0};
    row_append_url(exchange->row, &url);
    if (url.length == 0)
        buffer_append_text(&url, exchange->row->path); // "*", or what is no target at all
    redact_target(&rules, url.data, out);
    buffer_fini(&url);
}
