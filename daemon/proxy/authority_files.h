// SPDX-License-Identifier: MIT
// The authority's two files.
#ifndef HARK_PROXY_AUTHORITY_FILES_H
#define HARK_PROXY_AUTHORITY_FILES_H

#include "hark/err.h"

#include <gnutls/x509.h>

// Loads certificate and key of `data_dir`, making them under a lock if there are none. `pem` gets
// the certificate's text. All three are the caller's, also on failure.
int authority_files_open(const char *data_dir, gnutls_x509_crt_t *certificate,
                         gnutls_x509_privkey_t *key, char **pem, struct err *err);

// 0, or -1 with "authority: <action>: <what GnuTLS says>" for a negative result of GnuTLS.
int authority_check(int result, const char *action, struct err *err);

#endif
