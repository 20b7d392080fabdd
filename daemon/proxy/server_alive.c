// SPDX-License-Identifier: MIT
// Are the threads that carry and record the traffic still going round? Workers are asked through
// their inbox, since an idle one waits without an end; the writer comes round by itself.
#include "hark/clock.h"
#include "server_state.h"

static void answer(struct worker *worker, void *ctx)
{
    (void)ctx;
    atomic_store(&worker->answered_us, clock_monotonic_us());
}

bool server_is_alive(struct server *server, int64_t age_max_us)
{
    int64_t oldest_us = recorder_last_round_us(server->recorder);
    for (size_t i = 0; i < server->worker_count; i++) {
        int64_t answered_us = atomic_load(&server->workers[i]->answered_us);
        if (answered_us < oldest_us)
            oldest_us = answered_us;
    }
    server_post_to_all(server, &(struct inbox_item){.kind = INBOX_CALL, .call = answer});
    return clock_monotonic_us() - oldest_us <= age_max_us;
}
