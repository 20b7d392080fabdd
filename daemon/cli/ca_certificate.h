// SPDX-License-Identifier: MIT
// What there is to say about the authority's certificate.
#ifndef HARK_CLI_CA_CERTIFICATE_H
#define HARK_CLI_CA_CERTIFICATE_H

#include "hark/err.h"

#include <time.h>

// Owner: whoever called ca_certificate_load().
struct ca_certificate {
    char *path;               // absolute
    char *pem;                // as in the file
    char *subject;            // "CN=hark local CA 1a2b3c4d,O=hark"
    char *name;               // its common name
    char id[9];               // the first digits of the fingerprint, for names of files
    char fingerprint[3 * 32]; // SHA-256, "AB:CD:…"
    time_t valid_from, valid_until;
};

// Makes the authority if there is none. The folder exists.
int ca_certificate_load(const char *data_dir, struct ca_certificate *certificate, struct err *err);
void ca_certificate_fini(struct ca_certificate *certificate);

#endif
