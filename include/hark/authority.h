// SPDX-License-Identifier: MIT
// The local certificate authority: made on first use, unique to its data folder, and the leaf
// certificates it issues for intercepted hosts.
//
// Files: `ca.pem` (the certificate) and `ca-key.pem` (its key, 0600). A key that others can read
// is refused. Leaves follow what current clients check: ECDSA P-256, the name in the subject
// alternative name alone (RFC 9525 section 3), key identifiers, at most 199 days.
//
// Thread: any, once opened.
#ifndef HARK_AUTHORITY_H
#define HARK_AUTHORITY_H

#include "hark/err.h"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <stddef.h>
#include <stdint.h>

struct authority;

// A certificate for one host with the authority's own behind it. Reference-counted, since a
// handshake uses it while the cache may already have dropped it.
struct leaf;

// Opens the authority of `data_dir`, making it if there is none. Two processes at once make one.
struct authority *authority_open(const char *data_dir, struct err *err);
void authority_close(struct authority *authority); // takes NULL; no leaf is in use any more

// A leaf for `host` (a name, or an address without brackets), from the cache or minted now:
// once, however many ask at the same time. The caller unrefs it. NULL: err says why.
struct leaf *authority_get_leaf(struct authority *authority, const char *host, struct err *err);
void leaf_unref(struct leaf *leaf); // takes NULL

// What GnuTLS wants to see of it; good while the reference is held.
gnutls_pcert_st *leaf_chain(struct leaf *leaf, unsigned *length);
gnutls_privkey_t leaf_key(struct leaf *leaf);

// How many leaves were minted since it was opened.
int64_t authority_minted(const struct authority *authority);
// How many leaves are kept.
int64_t authority_cached(struct authority *authority);
// Since when its certificate is valid, in seconds of Unix time.
int64_t authority_valid_from(const struct authority *authority);
// The certificate as PEM; the authority's.
const char *authority_pem(const struct authority *authority);

#endif
