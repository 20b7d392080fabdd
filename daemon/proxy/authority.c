// SPDX-License-Identifier: MIT
// The authority and its cache of leaves.
//
// All leaves share one key that lives as long as the process: making keys would cost more than
// signing, and whoever holds the authority's key can make any leaf anyway. One lock covers cache
// and minting, 0.1 ms of it, so that a host asked for by many at once is minted once.
#include "hark/authority.h"

#include "authority_files.h"
#include "hark/mem.h"

#include <arpa/inet.h>
#include <assert.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LEAVES_MAX   1024
#define LEAF_BUCKETS 256
#define LEAF_DAYS    199
#define RENEW_DAYS   7
#define DAY_SECONDS  ((time_t)24 * 3600)
// A leaf is valid from a day before it was made, and made anew if the clock goes back by more than
// half of that.
#define BACK_SECONDS     (DAY_SECONDS / 2)
#define SERIAL_BYTES     16
#define KEY_ID_BYTES_MAX 64

struct leaf {
    atomic_int refs;
    struct leaf *bucket_next;
    struct leaf *newer; // in order of making
    char *host;
    time_t made_at;
    time_t renew_at;
    gnutls_pcert_st chain[2]; // the leaf, the authority
    gnutls_privkey_t key;     // the shared one
};

struct authority {
    char *pem;
    gnutls_x509_crt_t certificate;
    gnutls_x509_privkey_t key;
    gnutls_x509_privkey_t leaf_x509_key;
    gnutls_privkey_t leaf_key;
    pthread_mutex_t mutex; // guards what follows
    struct leaf *buckets[LEAF_BUCKETS];
    struct leaf *oldest;
    struct leaf *newest;
    size_t leaf_count;
    atomic_int_fast64_t minted;
};

// --- leaves
// -------------------------------------------------------------------------------------------

void leaf_unref(struct leaf *leaf)
{
    if (leaf == NULL || atomic_fetch_sub_explicit(&leaf->refs, 1, memory_order_acq_rel) != 1)
        return;
    gnutls_pcert_deinit(&leaf->chain[0]);
    gnutls_pcert_deinit(&leaf->chain[1]);
    free(leaf->host);
    free(leaf);
}

gnutls_pcert_st *leaf_chain(struct leaf *leaf, unsigned *length)
{
    *length = 2;
    return leaf->chain;
}

gnutls_privkey_t leaf_key(struct leaf *leaf)
{
    return leaf->key;
}

static int set_names(gnutls_x509_crt_t leaf, const char *host, struct err *err)
{
    unsigned char address[sizeof(struct in6_addr)];
    size_t length = 0;
    if (inet_pton(AF_INET, host, address) == 1)
        length = sizeof(struct in_addr);
    else if (inet_pton(AF_INET6, host, address) == 1)
        length = sizeof(struct in6_addr);
    int result =
        length > 0 ? gnutls_x509_crt_set_subject_alt_name(leaf, GNUTLS_SAN_IPADDRESS, address,
                                                          (unsigned)length, GNUTLS_FSAN_SET)
                   : gnutls_x509_crt_set_subject_alt_name(leaf, GNUTLS_SAN_DNSNAME, host,
                                                          (unsigned)strlen(host), GNUTLS_FSAN_SET);
    if (authority_check(result, "set the name of a leaf", err) != 0)
        return -1;
    // A common name holds 64 characters; nobody who checks names looks at it. But with an empty
    // subject the names would have to be a critical extension.
    if (strlen(host) <= 64)
        result = gnutls_x509_crt_set_dn_by_oid(leaf, GNUTLS_OID_X520_COMMON_NAME, 0, host,
                                               (unsigned)strlen(host));
    else
        result =
            gnutls_x509_crt_set_dn_by_oid(leaf, GNUTLS_OID_X520_ORGANIZATION_NAME, 0, "hark", 4);
    return authority_check(result, "set the subject of a leaf", err);
}

static int set_serial(gnutls_x509_crt_t leaf, struct err *err)
{
    unsigned char serial[SERIAL_BYTES];
    if (authority_check(gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof(serial)), "draw a serial",
                        err) != 0)
        return -1;
    serial[0] &= 0x7f; // positive
    serial[0] |= 0x01;
    return authority_check(gnutls_x509_crt_set_serial(leaf, serial, sizeof(serial)), "set a serial",
                           err);
}

static int set_key_ids(struct authority *authority, gnutls_x509_crt_t leaf, struct err *err)
{
    unsigned char id[KEY_ID_BYTES_MAX];
    size_t size = sizeof(id);
    int result = gnutls_x509_crt_get_key_id(leaf, 0, id, &size);
    if (result >= 0)
        result = gnutls_x509_crt_set_subject_key_id(leaf, id, size);
    size = sizeof(id);
    if (result >= 0)
        result = gnutls_x509_crt_get_subject_key_id(authority->certificate, id, &size, NULL);
    if (result >= 0)
        result = gnutls_x509_crt_set_authority_key_id(leaf, id, size);
    return authority_check(result, "set the key identifiers of a leaf", err);
}

static int fill_certificate(struct authority *authority, gnutls_x509_crt_t leaf, const char *host,
                            time_t expires, struct err *err)
{
    int result = gnutls_x509_crt_set_version(leaf, 3);
    if (result >= 0)
        result = gnutls_x509_crt_set_key(leaf, authority->leaf_x509_key);
    if (result >= 0)
        result = gnutls_x509_crt_set_activation_time(leaf, time(NULL) - DAY_SECONDS);
    if (result >= 0)
        result = gnutls_x509_crt_set_expiration_time(leaf, expires);
    if (result >= 0)
        result = gnutls_x509_crt_set_basic_constraints(leaf, 0, -1);
    if (result >= 0)
        result = gnutls_x509_crt_set_key_usage(leaf, GNUTLS_KEY_DIGITAL_SIGNATURE);
    if (result >= 0)
        result = gnutls_x509_crt_set_key_purpose_oid(leaf, GNUTLS_KP_TLS_WWW_SERVER, 0);
    if (authority_check(result, "fill a leaf", err) != 0 || set_names(leaf, host, err) != 0 ||
        set_serial(leaf, err) != 0 || set_key_ids(authority, leaf, err) != 0)
        return -1;
    result =
        gnutls_x509_crt_sign2(leaf, authority->certificate, authority->key, GNUTLS_DIG_SHA256, 0);
    return authority_check(result, "sign a leaf", err);
}

static struct leaf *mint(struct authority *authority, const char *host, struct err *err)
{
    time_t now = time(NULL);
    gnutls_x509_crt_t certificate;
    if (authority_check(gnutls_x509_crt_init(&certificate), "make a leaf", err) != 0)
        return NULL;
    struct leaf *leaf = NULL;
    time_t expires = now + (LEAF_DAYS - 1) * DAY_SECONDS;
    if (fill_certificate(authority, certificate, host, expires, err) != 0)
        goto out;
    leaf = mem_calloc(1, sizeof(*leaf));
    atomic_init(&leaf->refs, 1);
    leaf->host = mem_strdup(host);
    leaf->made_at = now;
    leaf->renew_at = expires - RENEW_DAYS * DAY_SECONDS;
    leaf->key = authority->leaf_key;
    if (authority_check(gnutls_pcert_import_x509(&leaf->chain[0], certificate, 0), "export a leaf",
                        err) == 0 &&
        authority_check(gnutls_pcert_import_x509(&leaf->chain[1], authority->certificate, 0),
                        "export the authority", err) == 0) {
        atomic_fetch_add(&authority->minted, 1);
    } else {
        leaf_unref(leaf);
        leaf = NULL;
    }
out:
    gnutls_x509_crt_deinit(certificate);
    return leaf;
}

// --- the cache
// ---------------------------------------------------------------------------------------------

static struct leaf **bucket_of(struct authority *authority, const char *host)
{
    size_t hash = 5381;
    for (const char *at = host; *at != '\0'; at++)
        hash = hash * 33 + (unsigned char)*at;
    return &authority->buckets[hash % LEAF_BUCKETS];
}

// The clock may have been ahead when it was made.
static bool is_good_at(const struct leaf *leaf, time_t now)
{
    return now >= leaf->made_at - BACK_SECONDS && now < leaf->renew_at;
}

static struct leaf *find(struct authority *authority, const char *host)
{
    time_t now = time(NULL);
    struct leaf *leaf = *bucket_of(authority, host);
    while (leaf != NULL && (strcmp(leaf->host, host) != 0 || !is_good_at(leaf, now)))
        leaf = leaf->bucket_next;
    return leaf;
}

static void drop_oldest(struct authority *authority)
{
    struct leaf *leaf = authority->oldest;
    struct leaf **link = bucket_of(authority, leaf->host);
    while (*link != leaf)
        link = &(*link)->bucket_next;
    *link = leaf->bucket_next;
    authority->oldest = leaf->newer;
    if (authority->oldest == NULL)
        authority->newest = NULL;
    authority->leaf_count--;
    leaf_unref(leaf);
}

// Takes over the reference.
static void add(struct authority *authority, struct leaf *leaf)
{
    if (authority->leaf_count == LEAVES_MAX)
        drop_oldest(authority);
    struct leaf **bucket = bucket_of(authority, leaf->host);
    leaf->bucket_next = *bucket;
    *bucket = leaf;
    if (authority->newest != NULL)
        authority->newest->newer = leaf;
    else
        authority->oldest = leaf;
    authority->newest = leaf;
    authority->leaf_count++;
}

struct leaf *authority_get_leaf(struct authority *authority, const char *host, struct err *err)
{
    pthread_mutex_lock(&authority->mutex);
    struct leaf *leaf = find(authority, host);
    if (leaf == NULL) {
        leaf = mint(authority, host, err);
        if (leaf != NULL)
            add(authority, leaf);
    }
    if (leaf != NULL)
        atomic_fetch_add_explicit(&leaf->refs, 1, memory_order_relaxed);
    pthread_mutex_unlock(&authority->mutex);
    return leaf;
}

// --- life
// ---------------------------------------------------------------------------------------------------

static int make_leaf_key(struct authority *authority, struct err *err)
{
    int result = gnutls_x509_privkey_init(&authority->leaf_x509_key);
    if (result >= 0)
        result = gnutls_x509_privkey_generate(authority->leaf_x509_key, GNUTLS_PK_ECDSA,
                                              GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
    if (result >= 0)
        result = gnutls_privkey_init(&authority->leaf_key);
    if (result >= 0)
        result = gnutls_privkey_import_x509(authority->leaf_key, authority->leaf_x509_key,
                                            GNUTLS_PRIVKEY_IMPORT_COPY);
    return authority_check(result, "make the key of the leaves", err);
}

struct authority *authority_open(const char *data_dir, struct err *err)
{
    struct authority *authority = mem_calloc(1, sizeof(*authority));
    pthread_mutex_init(&authority->mutex, NULL);
    if (authority_files_open(data_dir, &authority->certificate, &authority->key, &authority->pem,
                             err) != 0 ||
        make_leaf_key(authority, err) != 0) {
        authority_close(authority);
        return NULL;
    }
    return authority;
}

void authority_close(struct authority *authority)
{
    if (authority == NULL)
        return;
    while (authority->oldest != NULL)
        drop_oldest(authority);
    gnutls_privkey_deinit(authority->leaf_key);
    gnutls_x509_privkey_deinit(authority->leaf_x509_key);
    gnutls_x509_privkey_deinit(authority->key);
    gnutls_x509_crt_deinit(authority->certificate);
    pthread_mutex_destroy(&authority->mutex);
    free(authority->pem);
    free(authority);
}

int64_t authority_minted(const struct authority *authority)
{
    return atomic_load(&authority->minted);
}

int64_t authority_cached(struct authority *authority)
{
    pthread_mutex_lock(&authority->mutex);
    int64_t count = (int64_t)authority->leaf_count;
    pthread_mutex_unlock(&authority->mutex);
    return count;
}

int64_t authority_valid_from(const struct authority *authority)
{
    return (int64_t)gnutls_x509_crt_get_activation_time(authority->certificate);
}

const char *authority_pem(const struct authority *authority)
{
    return authority->pem;
}
