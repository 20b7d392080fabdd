// SPDX-License-Identifier: MIT
#include "priority.h"

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

// Against a thread of the proxy that wants the same core, about one part in ten. With less the page
// would not load on a machine that others keep busy.
#define NICENESS 10

void priority_lower(void)
{
    // On Linux both are a thread's own. Where they are refused the thread runs as the others do.
    const struct sched_param none = {0};
    setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS);
    sched_setscheduler(gettid(), SCHED_BATCH, &none);
}
