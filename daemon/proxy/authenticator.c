// SPDX-License-Identifier: MIT
// The thread takes the first check that is due. Failures put off what comes from the same client;
// a few checks a client and some hundred in all bound what attackers can make it do, and its low
// priority what they can take from the traffic.
#include "authenticator.h"

#include "admission.h"
#include "hark/clock.h"
#include "hark/mem.h"
#include "worker.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>

#define DIGEST_BYTES      32
#define KEY_BYTES         32
#define KNOWN_SETS        1024
#define KNOWN_WAYS        4
#define CHECKS_MAX        256
#define CHECKS_CLIENT_MAX 4
#define TEXT_BYTES_MAX    512 // what crypt(3) takes
#define OFFENDERS_MAX     256
#define DELAY_FIRST_US    ((int64_t)250000)
#define DELAY_MAX_US      ((int64_t)4000000)
#define FORGIVEN_US       ((int64_t)60000000)
#define SAY_AGAIN_US      ((int64_t)10000000)
#define NICENESS          5

// Who waits for a check. Owner: the check, then the message to the worker.
struct login_ticket {
    struct login_ticket *next;
    struct worker *worker;
    struct login_wait *wait; // the worker's to read and change; NULL: it has left
    enum login_verdict verdict;
};

// One password to be checked, for all who gave it. Owner: the list of checks.
struct check {
    struct check *next;
    uint8_t digest[DIGEST_BYTES];
    struct address client;
    char *hash;
    char *password;
    bool is_known_user;
    int64_t due_us; // monotonic
    struct login_ticket *tickets;
};

// A client that has failed. Zero-initialised is nobody.
struct offender {
    uint8_t client[16];
    int failures;
    int64_t failed_us; // the last time, monotonic
    int64_t again_us;  // before which nothing else is checked
};

struct authenticator {
    struct log *log;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool is_stopping;
    bool has_thread;   // from the first check on
    bool is_abandoned; // the thread frees it when it ends
    uint8_t key[KEY_BYTES];
    struct check *checks; // in the order they came
    size_t check_count;
    struct check *running;                               // NULL: none
    uint8_t known[KNOWN_SETS][KNOWN_WAYS][DIGEST_BYTES]; // the newest first; zeros: none
    struct offender offenders[OFFENDERS_MAX];
    int64_t failures;
    int64_t said_us;
    int64_t unsaid;
};

// --- what is known -----------------------------------------------------------------------------

// With the hash in it, so that a changed password is not taken for the old one.
static bool make_digest(const struct authenticator *authenticator, const char *hash,
                        const struct login *login, uint8_t digest[static DIGEST_BYTES])
{
    gnutls_hmac_hd_t hmac;
    if (gnutls_hmac_init(&hmac, GNUTLS_MAC_SHA256, authenticator->key, KEY_BYTES) < 0)
        return false;
    gnutls_hmac(hmac, hash, strlen(hash) + 1);
    gnutls_hmac(hmac, login->user, strlen(login->user) + 1);
    gnutls_hmac(hmac, login->password, strlen(login->password));
    gnutls_hmac_deinit(hmac, digest);
    return true;
}

static uint8_t (*known_set(struct authenticator *authenticator,
                           const uint8_t *digest))[DIGEST_BYTES]
{
    return authenticator->known[((size_t)digest[0] << 8 | digest[1]) % KNOWN_SETS];
}

static bool is_known(struct authenticator *authenticator, const uint8_t *digest)
{
    uint8_t(*set)[DIGEST_BYTES] = known_set(authenticator, digest);
    for (size_t i = 0; i < KNOWN_WAYS; i++)
        if (gnutls_memcmp(set[i], digest, DIGEST_BYTES) == 0)
            return true;
    return false;
}

static void remember(struct authenticator *authenticator, const uint8_t *digest)
{
    uint8_t(*set)[DIGEST_BYTES] = known_set(authenticator, digest);
    memmove(set[1], set[0], (KNOWN_WAYS - 1) * DIGEST_BYTES);
    memcpy(set[0], digest, DIGEST_BYTES);
}

// --- offenders ---------------------------------------------------------------------------------

// The slot of the client, or the one to be used for it: of whoever has not failed for longest.
static struct offender *find_offender(struct authenticator *authenticator, const uint8_t *client)
{
    struct offender *oldest = &authenticator->offenders[0];
    for (size_t i = 0; i < OFFENDERS_MAX; i++) {
        struct offender *at = &authenticator->offenders[i];
        if (at->failures > 0 && memcmp(at->client, client, sizeof(at->client)) == 0)
            return at;
        if (at->failed_us < oldest->failed_us)
            oldest = at;
    }
    return oldest;
}

static bool is_of(const struct offender *offender, const uint8_t *client)
{
    return offender->failures > 0 &&
           memcmp(offender->client, client, sizeof(offender->client)) == 0;
}

static int64_t find_due_us(struct authenticator *authenticator, const struct address *address)
{
    uint8_t client[16] = {0};
    admission_find_client(address, client);
    const struct offender *offender = find_offender(authenticator, client);
    return is_of(offender, client) ? offender->again_us : 0;
}

static void put_off_others(struct authenticator *authenticator, const uint8_t *client,
                           int64_t again_us)
{
    for (struct check *at = authenticator->checks; at != NULL; at = at->next) {
        uint8_t other[16] = {0};
        admission_find_client(&at->client, other);
        if (memcmp(other, client, sizeof(other)) == 0 && at->due_us < again_us)
            at->due_us = again_us;
    }
}

static void note_failure(struct authenticator *authenticator, const struct address *address)
{
    int64_t now_us = clock_monotonic_us();
    uint8_t client[16] = {0};
    admission_find_client(address, client);
    struct offender *offender = find_offender(authenticator, client);
    if (!is_of(offender, client) || now_us - offender->failed_us > FORGIVEN_US)
        offender->failures = 0;
    memcpy(offender->client, client, sizeof(offender->client));
    int64_t delay_us = offender->failures < 4 ? DELAY_FIRST_US << offender->failures : DELAY_MAX_US;
    offender->failures++;
    offender->failed_us = now_us;
    offender->again_us = now_us + delay_us;
    put_off_others(authenticator, client, offender->again_us);
}

// Neither the name nor the password is said: people type one for the other.
static void tell_failure(struct authenticator *authenticator, const struct address *address)
{
    char client[64];
    int64_t now_us = clock_monotonic_us();
    authenticator->failures++;
    authenticator->unsaid++;
    if (authenticator->said_us != 0 && now_us - authenticator->said_us < SAY_AGAIN_US)
        return;
    address_format((const struct sockaddr *)&address->storage, client, sizeof(client));
    log_warn(authenticator->log, "login",
             "wrong user or password from %s (%" PRId64 " since this was last said)", client,
             authenticator->unsaid);
    authenticator->unsaid = 0;
    authenticator->said_us = now_us;
}

// --- tickets -----------------------------------------------------------------------------------

static void deliver(struct worker *worker, void *ctx)
{
    struct login_ticket *ticket = ctx;
    struct login_wait *wait = ticket->wait;
    enum login_verdict verdict = ticket->verdict;
    (void)worker;
    free(ticket);
    if (wait == NULL)
        return;
    wait->ticket = NULL;
    wait->on_verdict(wait->ctx, verdict);
}

static void answer(struct check *check, enum login_verdict verdict)
{
    struct login_ticket *next;
    for (struct login_ticket *ticket = check->tickets; ticket != NULL; ticket = next) {
        next = ticket->next;
        ticket->verdict = verdict;
        worker_post(ticket->worker,
                    &(struct inbox_item){.kind = INBOX_CALL, .call = deliver, .call_ctx = ticket});
    }
    check->tickets = NULL;
}

static void add_ticket(struct check *check, struct worker *worker, struct login_wait *wait)
{
    struct login_ticket *ticket = mem_calloc(1, sizeof(*ticket));
    ticket->worker = worker;
    ticket->wait = wait;
    ticket->next = check->tickets;
    check->tickets = ticket;
    wait->ticket = ticket;
}

void login_wait_cancel(struct login_wait *wait)
{
    if (wait->ticket != NULL)
        wait->ticket->wait = NULL;
    wait->ticket = NULL;
}

// --- checks ------------------------------------------------------------------------------------

static void check_destroy(struct check *check)
{
    explicit_bzero(check->password, strlen(check->password));
    free(check->password);
    free(check->hash);
    free(check);
}

static struct check *find_check(struct authenticator *authenticator, const uint8_t *digest)
{
    struct check *at = authenticator->running;
    if (at != NULL && memcmp(at->digest, digest, DIGEST_BYTES) == 0)
        return at;
    at = authenticator->checks;
    while (at != NULL && memcmp(at->digest, digest, DIGEST_BYTES) != 0)
        at = at->next;
    return at;
}

static bool has_too_many(const struct authenticator *authenticator, const struct address *address)
{
    uint8_t client[16] = {0};
    int count = 0;
    admission_find_client(address, client);
    for (const struct check *at = authenticator->checks; at != NULL; at = at->next) {
        uint8_t other[16] = {0};
        admission_find_client(&at->client, other);
        count += memcmp(other, client, sizeof(other)) == 0;
    }
    return count >= CHECKS_CLIENT_MAX || authenticator->check_count >= CHECKS_MAX;
}

static struct check *add_check(struct authenticator *authenticator, const char *hash,
                               const struct address *client, const char *password,
                               const uint8_t *digest)
{
    struct check *check = mem_calloc(1, sizeof(*check));
    memcpy(check->digest, digest, DIGEST_BYTES);
    check->client = *client;
    check->hash = mem_strdup(hash);
    check->password = mem_strdup(password);
    check->due_us = find_due_us(authenticator, client);
    struct check **link = &authenticator->checks;
    while (*link != NULL)
        link = &(*link)->next;
    *link = check;
    authenticator->check_count++;
    pthread_cond_signal(&authenticator->wake);
    return check;
}

// --- the thread --------------------------------------------------------------------------------

// Unlinks the first check that is due; else NULL with when there will be one.
static struct check *take_due(struct authenticator *authenticator, int64_t *next_us)
{
    int64_t now_us = clock_monotonic_us();
    *next_us = INT64_MAX;
    for (struct check **link = &authenticator->checks; *link != NULL; link = &(*link)->next) {
        struct check *check = *link;
        if (check->due_us <= now_us) {
            *link = check->next;
            authenticator->check_count--;
            return check;
        }
        if (check->due_us < *next_us)
            *next_us = check->due_us;
    }
    return NULL;
}

static void wait_for_checks(struct authenticator *authenticator, int64_t until_us)
{
    if (until_us == INT64_MAX) {
        pthread_cond_wait(&authenticator->wake, &authenticator->mutex);
        return;
    }
    struct timespec until = {.tv_sec = until_us / 1000000, .tv_nsec = until_us % 1000000 * 1000};
    pthread_cond_timedwait(&authenticator->wake, &authenticator->mutex, &until);
}

// Under the mutex, which it gives up while it works on the hash.
static void work_on(struct authenticator *authenticator, struct check *check)
{
    authenticator->running = check;
    pthread_mutex_unlock(&authenticator->mutex);
    bool is_right = credentials_verify(check->hash, check->password);
    pthread_mutex_lock(&authenticator->mutex);
    authenticator->running = NULL;
    is_right = is_right && check->is_known_user;
    if (authenticator->is_stopping) {
        check_destroy(check);
        return;
    }
    if (is_right) {
        remember(authenticator, check->digest);
    } else {
        note_failure(authenticator, &check->client);
        tell_failure(authenticator, &check->client);
    }
    answer(check, is_right ? LOGIN_RIGHT : LOGIN_WRONG);
    check_destroy(check);
}

static void give_up_all(struct authenticator *authenticator)
{
    while (authenticator->checks != NULL) {
        struct check *check = authenticator->checks;
        authenticator->checks = check->next;
        answer(check, LOGIN_BUSY);
        check_destroy(check);
    }
    authenticator->check_count = 0;
    if (authenticator->running != NULL)
        answer(authenticator->running, LOGIN_BUSY);
}

static void authenticator_free(struct authenticator *authenticator)
{
    pthread_mutex_destroy(&authenticator->mutex);
    pthread_cond_destroy(&authenticator->wake);
    explicit_bzero(authenticator->key, KEY_BYTES);
    free(authenticator);
}

static void *run(void *ctx)
{
    struct authenticator *authenticator = ctx;
    pthread_setname_np(pthread_self(), "hark-login");
    setpriority(PRIO_PROCESS, 0, NICENESS); // on Linux, of this thread
    pthread_mutex_lock(&authenticator->mutex);
    while (!authenticator->is_stopping) {
        int64_t next_us;
        struct check *check = take_due(authenticator, &next_us);
        if (check != NULL)
            work_on(authenticator, check);
        else
            wait_for_checks(authenticator, next_us);
    }
    authenticator->has_thread = false;
    bool must_free = authenticator->is_abandoned;
    pthread_mutex_unlock(&authenticator->mutex);
    if (must_free)
        authenticator_free(authenticator);
    return NULL;
}

// Most daemons ask for no password, and need no thread for it.
static bool has_thread(struct authenticator *authenticator)
{
    if (authenticator->is_stopping || authenticator->has_thread)
        return !authenticator->is_stopping;
    pthread_t thread;
    int error = pthread_create(&thread, NULL, run, authenticator);
    authenticator->has_thread = error == 0;
    if (error != 0)
        log_error(authenticator->log, "login", "start a thread: %s", strerror(error));
    else
        pthread_detach(thread);
    return error == 0;
}

// --- asking ------------------------------------------------------------------------------------

// Under the mutex.
static enum login_verdict ask(struct authenticator *authenticator, struct worker *worker,
                              const char *hash, bool is_user, const struct address *client,
                              const struct login *login, struct login_wait *wait)
{
    uint8_t digest[DIGEST_BYTES];
    if (authenticator->is_stopping || !make_digest(authenticator, hash, login, digest))
        return LOGIN_BUSY;
    if (is_user && is_known(authenticator, digest))
        return LOGIN_RIGHT;
    struct check *check = find_check(authenticator, digest);
    if (check == NULL && (has_too_many(authenticator, client) || !has_thread(authenticator)))
        return LOGIN_BUSY;
    if (check == NULL)
        check = add_check(authenticator, hash, client, login->password, digest);
    check->is_known_user = is_user;
    add_ticket(check, worker, wait);
    return LOGIN_PENDING;
}

enum login_verdict authenticator_check(struct authenticator *authenticator, struct worker *worker,
                                       const struct credentials *credentials,
                                       const struct address *client, const struct login *login,
                                       struct login_wait *wait)
{
    if (strlen(login->user) >= TEXT_BYTES_MAX || strlen(login->password) >= TEXT_BYTES_MAX)
        return LOGIN_WRONG;
    const char *hash = credentials_find(credentials, login->user);
    bool is_user = hash != NULL;
    pthread_mutex_lock(&authenticator->mutex);
    enum login_verdict verdict =
        ask(authenticator, worker, is_user ? hash : credentials_any_hash(credentials), is_user,
            client, login, wait);
    pthread_mutex_unlock(&authenticator->mutex);
    return verdict;
}

// --- begin and end -----------------------------------------------------------------------------

struct authenticator *authenticator_create(struct log *log, struct err *err)
{
    struct authenticator *authenticator = mem_calloc(1, sizeof(*authenticator));
    authenticator->log = log;
    pthread_mutex_init(&authenticator->mutex, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&authenticator->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    if (getrandom(authenticator->key, KEY_BYTES, 0) == KEY_BYTES)
        return authenticator;
    err_set(err, "login: no random numbers: %s", strerror(errno));
    authenticator_destroy(authenticator);
    return NULL;
}

// Nobody waits for a hash that is being checked: it may take long.
void authenticator_stop(struct authenticator *authenticator)
{
    pthread_mutex_lock(&authenticator->mutex);
    authenticator->is_stopping = true;
    give_up_all(authenticator);
    pthread_cond_signal(&authenticator->wake);
    pthread_mutex_unlock(&authenticator->mutex);
}

void authenticator_destroy(struct authenticator *authenticator)
{
    if (authenticator == NULL)
        return;
    authenticator_stop(authenticator);
    pthread_mutex_lock(&authenticator->mutex);
    authenticator->is_abandoned = true;
    bool must_free = !authenticator->has_thread;
    pthread_mutex_unlock(&authenticator->mutex);
    if (must_free)
        authenticator_free(authenticator);
}

int64_t authenticator_failures(struct authenticator *authenticator)
{
    pthread_mutex_lock(&authenticator->mutex);
    int64_t failures = authenticator->failures;
    pthread_mutex_unlock(&authenticator->mutex);
    return failures;
}
