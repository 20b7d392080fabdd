// SPDX-License-Identifier: MIT
// Looking up names. libcurl begins a thread for each name and has no limit, nor can it end one:
// what it gives up goes on until the system's resolver does. So only so many are looked up at a
// time, and a lookup that was given up counts for as long as resolv.conf(5) lets it take by
// default; the other jobs wait here, out of libcurl, until there is a place or their time is over.
#include "upstream_private.h"

#include "hark/clock.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#define GIVEN_UP_US ((int64_t)30 * 1000000) // 5 s, twice, for each of three servers

// --- places ------------------------------------------------------------------------------------

static bool is_local_name(const char *host)
{
    static const char suffix[] = ".localhost";
    size_t length = strlen(host);
    return strcasecmp(host, suffix + 1) == 0 ||
           (length > strlen(suffix) && strcasecmp(host + length - strlen(suffix), suffix) == 0);
}

// libcurl does not say what it is about to look up: the proxy's host, or the URL's.
static bool takes_a_lookup(const struct upstream_job *job)
{
    const char *proxy = job->connect_to->config->upstream_proxy;
    char *text = NULL;
    char *host = NULL;
    struct in_addr ignored;
    curl_easy_getinfo(job->easy, CURLINFO_EFFECTIVE_URL, &text);
    CURLU *url = curl_url();
    curl_url_set(url, CURLUPART_URL, proxy != NULL ? proxy : text, CURLU_NON_SUPPORT_SCHEME);
    curl_url_get(url, CURLUPART_HOST, &host, 0);
    bool is_known = host != NULL && (host[0] == '[' || is_local_name(host) ||
                                     inet_pton(AF_INET, host, &ignored) == 1);
    curl_free(host);
    curl_url_cleanup(url);
    return !is_known;
}

static void take_place(struct upstream_job *job)
{
    job->is_looking_up = true;
    job->upstream->lookups++;
}

int upstream_on_lookup(void *resolver, void *reserved, void *ctx)
{
    struct upstream_job *job = ctx;
    (void)resolver;
    (void)reserved;
    if (job->is_looking_up)
        return 0;
    if (job->upstream->lookups < LOOKUPS_MAX)
        take_place(job);
    else
        job->must_wait = takes_a_lookup(job);
    return job->must_wait ? 1 : 0;
}

void upstream_end_lookup(struct upstream_job *job)
{
    struct upstream *upstream = job->upstream;
    if (!job->is_looking_up)
        return;
    job->is_looking_up = false;
    upstream->lookups--;
    upstream->must_collect |= upstream->waiting != NULL;
}

void upstream_give_up_lookup(struct upstream_job *job)
{
    struct upstream *upstream = job->upstream;
    if (!job->is_looking_up)
        return;
    job->is_looking_up = false;
    size_t last = (upstream->given_up_first + upstream->given_up_count) % LOOKUPS_MAX;
    upstream->given_up_us[last] = clock_monotonic_us();
    upstream->given_up_count++;
}

static void forget_given_up(struct upstream *upstream, int64_t now_us)
{
    while (upstream->given_up_count > 0 &&
           now_us >= upstream->given_up_us[upstream->given_up_first] + GIVEN_UP_US) {
        upstream->given_up_first = (upstream->given_up_first + 1) % LOOKUPS_MAX;
        upstream->given_up_count--;
        upstream->lookups--;
    }
}

// --- waiting -----------------------------------------------------------------------------------

// An easy handle that has looked nothing up is as good as new.
void upstream_wait_for_lookup(struct upstream_job *job)
{
    struct upstream *upstream = job->upstream;
    curl_multi_remove_handle(job->upstream->multi, job->easy);
    job->must_wait = false;
    job->is_waiting = true;
    job->error_text[0] = '\0';
    job->waiting_next = NULL;
    if (upstream->waiting == NULL)
        upstream->waiting = job;
    else
        upstream->waiting_last->waiting_next = job;
    upstream->waiting_last = job;
}

void upstream_stop_waiting(struct upstream_job *job)
{
    struct upstream *upstream = job->upstream;
    struct upstream_job *previous = NULL;
    if (!job->is_waiting)
        return;
    job->is_waiting = false;
    for (struct upstream_job *at = upstream->waiting; at != job; at = at->waiting_next)
        previous = at;
    if (previous == NULL)
        upstream->waiting = job->waiting_next;
    else
        previous->waiting_next = job->waiting_next;
    if (upstream->waiting_last == job)
        upstream->waiting_last = previous;
}

static void time_out(struct upstream_job *job)
{
    upstream_set_problem(job, 504, "connect-timeout",
                         "too many names are being looked up: the name servers may be down");
    upstream_stop_waiting(job);
    job->on_finished(job, CURLE_OPERATION_TIMEDOUT);
}

static void go_on(struct upstream_job *job, int64_t now_us)
{
    upstream_stop_waiting(job);
    take_place(job);
    job->began_us = now_us;
    curl_easy_setopt(job->easy, CURLOPT_CONNECTTIMEOUT_MS,
                     (long)((job->connect_by_us - now_us) / 1000 + 1));
    curl_multi_add_handle(job->upstream->multi, job->easy);
}

void upstream_run_waiting(struct upstream *upstream)
{
    int64_t now_us = clock_monotonic_us();
    forget_given_up(upstream, now_us);
    while (upstream->waiting != NULL) {
        struct upstream_job *job = upstream->waiting;
        if (now_us >= job->connect_by_us)
            time_out(job);
        else if (upstream->lookups < LOOKUPS_MAX)
            go_on(job, now_us);
        else
            return;
    }
}

int64_t upstream_waiting_due_us(const struct upstream *upstream)
{
    int64_t due_us = INT64_MAX;
    if (upstream->waiting == NULL)
        return due_us;
    due_us = upstream->waiting->connect_by_us;
    if (upstream->given_up_count > 0) {
        int64_t free_us = upstream->given_up_us[upstream->given_up_first] + GIVEN_UP_US;
        due_us = free_us < due_us ? free_us : due_us;
    }
    return due_us;
}
