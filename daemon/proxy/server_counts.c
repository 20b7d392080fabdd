// SPDX-License-Identifier: MIT
// The sums of what workers, recorder and authority count.
#include "hark/server_counts.h"

#include "hark/authority.h"
#include "recorder.h"
#include "server_state.h"

const int64_t counts_bounds_us[COUNTS_BOUNDS] = {500,   1000,   2500,   5000,   10000,   25000,
                                                 50000, 100000, 250000, 500000, 1000000, 2500000};

static const char *const error_codes[COUNTS_ERRORS] = {
    "dns",           "connect",       "connect-timeout", "tls-verify",
    "tls",           "client-tls",    "upstream-reset",  "upstream-timeout",
    "bad-response",  "bad-request",   "client-abort",    "client-timeout",
    "loop",          "forbidden",     "too-large",       "playback-miss",
    "not-recording", "not-supported", "other",
};

const char *counts_error_code(size_t index)
{
    return index < COUNTS_ERRORS ? error_codes[index] : NULL;
}

void server_get_counts(const struct server *server, struct server_counts *counts)
{
    *counts = (struct server_counts){0};
    for (size_t i = 0; i < server->worker_count; i++)
        counters_sum(&server->workers[i]->counters, counts);
    recorder_get_counts(server->recorder, counts);
    struct authority *authority = server->authority;
    if (authority == NULL)
        return;
    counts->certificates_minted = authority_minted(authority);
    counts->certificates_cached = authority_cached(authority);
}
