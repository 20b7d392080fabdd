// SPDX-License-Identifier: MIT
#include "service.h"

#include "hark/clock.h"
#include "hark/mem.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define LOOK_US ((int64_t)2000000)
#define TIDY_US ((int64_t)30000000)
// The writer comes round once a second; less patience than two such rounds kills a healthy daemon.
#define WATCHDOG_LEAST_US ((int64_t)4000000)

void service_init(struct service *service)
{
    *service = (struct service){.notify.fd = -1};
}

void service_open(struct service *service, struct log *log)
{
    notify_open(&service->notify);
    int64_t watchdog_us = service->notify.watchdog_us;
    if (watchdog_us > 0 && watchdog_us < WATCHDOG_LEAST_US)
        log_warn(log, "serve", "a watchdog of %lld ms may end hark without need; give it %d s",
                 (long long)(watchdog_us / 1000), (int)(WATCHDOG_LEAST_US / 1000000));
}

void service_close(struct service *service)
{
    notify_close(&service->notify);
}

static void describe_bad_reload(struct server *server, char *text, size_t size)
{
    struct server_reload reload;
    server_get_reload(server, &reload);
    text[0] = '\0';
    if (reload.problem[0] == '\0')
        return;
    time_t at = (time_t)(reload.at_us / 1000000);
    struct tm local;
    localtime_r(&at, &local);
    strftime(text, size, "; the reload at %H:%M:%S failed, see the log", &local);
}

static void tell_status(struct service *service, struct server *server)
{
    struct server_status status;
    char text[sizeof(service->status)];
    char bad_reload[64];
    server_get_status(server, &status);
    describe_bad_reload(server, bad_reload, sizeof(bad_reload));
    snprintf(text, sizeof(text), "%s%.150s; %lld exchanges, %lld in flight%s",
             status.is_recording ? "Recording" : "Not recording: ", status.problem,
             (long long)status.exchanges_total, (long long)status.exchanges_in_flight, bad_reload);
    if (strcmp(text, service->status) == 0)
        return;
    memcpy(service->status, text, sizeof(text));
    notify_send(&service->notify, "STATUS=%s\n", text);
}

void service_ready(struct service *service, struct server *server)
{
    if (service->notify.fd < 0)
        return;
    notify_send(&service->notify, "READY=1\n");
    tell_status(service, server);
    server_is_alive(server, 0); // to be answered by the first look
}

void service_reloading(struct service *service)
{
    notify_send(&service->notify, "RELOADING=1\nMONOTONIC_USEC=%lld\n",
                (long long)clock_monotonic_us());
}

void service_stopping(struct service *service)
{
    notify_send(&service->notify, "STOPPING=1\nSTATUS=Stopping\n");
}

static int64_t look_us(const struct service *service)
{
    if (service->notify.fd < 0)
        return TIDY_US;
    int64_t us = service->notify.watchdog_us / 4;
    return us > 0 && us < LOOK_US ? us : LOOK_US;
}

static void tidy_if_due(struct service *service)
{
    int64_t now_us = clock_monotonic_us();
    if (now_us - service->tidied_us < TIDY_US)
        return;
    mem_give_back();
    service->tidied_us = now_us;
}

static void look(struct service *service, struct server *server)
{
    tidy_if_due(service);
    if (service->notify.fd < 0)
        return;
    tell_status(service, server);
    int64_t watchdog_us = service->notify.watchdog_us;
    if (watchdog_us > 0 && server_is_alive(server, watchdog_us / 2))
        notify_send(&service->notify, "WATCHDOG=1\n");
}

int service_wait(struct service *service, struct server *server, const sigset_t *signals)
{
    for (;;) {
        int64_t now_us = clock_monotonic_us();
        if (now_us >= service->look_at_us) {
            look(service, server);
            service->look_at_us = now_us + look_us(service);
        }
        int64_t us = service->look_at_us - now_us;
        struct timespec pause = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
        int signal_number = sigtimedwait(signals, NULL, &pause);
        if (signal_number > 0)
            return signal_number;
    }
}
