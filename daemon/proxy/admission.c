// SPDX-License-Identifier: MIT
// Admission. What is counted is a client, not an address: of IPv6 its network, since whoever has
// one address there has 2^64 of them.
#include "admission.h"

#include "hark/mem.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS          1024
#define NETWORK_BYTES    8
#define ADDRESS_TEXT_MAX 64

struct client_count {
    struct client_count *next; // in its bucket
    uint8_t client[16];
    int connections;
};

// A reason to turn connections away.
struct refusals {
    const char *text;
    int64_t total;
    struct log_limit said;
};

struct admission {
    struct log *log;
    pthread_mutex_t mutex;
    struct cidr *allowed;
    size_t allowed_count;
    int per_client_max; // 0: no limit
    struct client_count *buckets[BUCKETS];
    struct refusals forbidden;
    struct refusals too_many;
    struct refusals overload;
};

struct admission *admission_create(struct log *log)
{
    struct admission *admission = mem_calloc(1, sizeof(*admission));
    admission->log = log;
    pthread_mutex_init(&admission->mutex, NULL);
    admission->forbidden.text = "its address is not in allow";
    admission->too_many.text = "its client has max_connections_per_client";
    admission->overload.text = "max_connections, or what ulimit -n has room for, are open";
    return admission;
}

void admission_destroy(struct admission *admission)
{
    if (admission == NULL)
        return;
    for (size_t i = 0; i < BUCKETS; i++) {
        struct client_count *next;
        for (struct client_count *at = admission->buckets[i]; at != NULL; at = next) {
            next = at->next;
            free(at);
        }
    }
    pthread_mutex_destroy(&admission->mutex);
    free(admission->allowed);
    free(admission);
}

void admission_configure(struct admission *admission, const struct config *config)
{
    struct cidr *allowed = mem_calloc(config->allow.count + 1, sizeof(*allowed));
    for (size_t i = 0; i < config->allow.count; i++)
        cidr_parse(config->allow.items[i], &allowed[i]); // was checked when it was loaded
    pthread_mutex_lock(&admission->mutex);
    struct cidr *old = admission->allowed;
    admission->allowed = allowed;
    admission->allowed_count = config->allow.count;
    admission->per_client_max = config->max_connections_per_client;
    pthread_mutex_unlock(&admission->mutex);
    free(old);
}

// --- telling -----------------------------------------------------------------------------------

// Whoever is refused may try again at once, and for ever: a line now and then is enough.
static void count_refusal(struct admission *admission, struct refusals *refusals,
                          const struct address *address)
{
    char client[ADDRESS_TEXT_MAX] = "a client";
    int64_t unsaid = log_limit_pass(&refusals->said);
    refusals->total++;
    if (unsaid == 0)
        return;
    if (address != NULL)
        address_format((const struct sockaddr *)&address->storage, client, sizeof(client));
    log_warn(admission->log, "listener",
             "refused a connection of %s: %s (%" PRId64 " since this was last said)", client,
             refusals->text, unsaid);
}

void admission_count_overload(struct admission *admission)
{
    pthread_mutex_lock(&admission->mutex);
    count_refusal(admission, &admission->overload, NULL);
    pthread_mutex_unlock(&admission->mutex);
}

void admission_get_status(struct admission *admission, struct server_status *status)
{
    pthread_mutex_lock(&admission->mutex);
    status->refused_forbidden = admission->forbidden.total;
    status->refused_per_client = admission->too_many.total;
    status->refused_overload = admission->overload.total;
    pthread_mutex_unlock(&admission->mutex);
}

// --- allow -------------------------------------------------------------------------------------

static bool is_allowed(const struct admission *admission, const struct address *address)
{
    if (address_is_loopback(address))
        return true;
    for (size_t i = 0; i < admission->allowed_count; i++)
        if (cidr_has(&admission->allowed[i], address))
            return true;
    return false;
}

bool admission_allows(struct admission *admission, const struct address *address)
{
    pthread_mutex_lock(&admission->mutex);
    bool result = is_allowed(admission, address);
    if (!result)
        count_refusal(admission, &admission->forbidden, address);
    pthread_mutex_unlock(&admission->mutex);
    return result;
}

// --- connections of one client -----------------------------------------------------------------

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

bool admission_find_client(const struct address *address, uint8_t client[static 16])
{
    if (!address_to_bytes(address, client))
        return false;
    if (memcmp(client, mapped_prefix, sizeof(mapped_prefix)) != 0 && !address_is_loopback(address))
        memset(client + NETWORK_BYTES, 0, 16 - NETWORK_BYTES);
    return true;
}

static struct client_count **find_bucket(struct admission *admission, const uint8_t client[16])
{
    uint32_t hash = 2166136261U; // FNV-1a
    for (size_t i = 0; i < 16; i++)
        hash = (hash ^ client[i]) * 16777619U;
    return &admission->buckets[hash % BUCKETS];
}

static struct client_count *find_count(struct admission *admission, const uint8_t client[16])
{
    struct client_count **bucket = find_bucket(admission, client);
    for (struct client_count *at = *bucket; at != NULL; at = at->next)
        if (memcmp(at->client, client, sizeof(at->client)) == 0)
            return at;
    struct client_count *count = mem_calloc(1, sizeof(*count));
    memcpy(count->client, client, sizeof(count->client));
    count->next = *bucket;
    *bucket = count;
    return count;
}

static enum admission_verdict enter(struct admission *admission, const struct address *address,
                                    struct client_count **count)
{
    uint8_t client[16];
    if (!is_allowed(admission, address)) {
        count_refusal(admission, &admission->forbidden, address);
        return ADMISSION_FORBIDDEN;
    }
    if (admission->per_client_max == 0 || !admission_find_client(address, client))
        return ADMITTED;
    struct client_count *found = find_count(admission, client);
    if (found->connections >= admission->per_client_max) {
        count_refusal(admission, &admission->too_many, address);
        return ADMISSION_TOO_MANY;
    }
    found->connections++;
    *count = found;
    return ADMITTED;
}

enum admission_verdict admission_enter(struct admission *admission, const struct address *address,
                                       struct client_count **count)
{
    *count = NULL;
    pthread_mutex_lock(&admission->mutex);
    enum admission_verdict verdict = enter(admission, address, count);
    pthread_mutex_unlock(&admission->mutex);
    return verdict;
}

void admission_leave(struct admission *admission, struct client_count *count)
{
    if (count == NULL)
        return;
    pthread_mutex_lock(&admission->mutex);
    if (--count->connections == 0) {
        struct client_count **link = find_bucket(admission, count->client);
        while (*link != count)
            link = &(*link)->next;
        *link = count->next;
        free(count);
    }
    pthread_mutex_unlock(&admission->mutex);
}
