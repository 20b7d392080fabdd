// SPDX-License-Identifier: MIT
// GnuTLS reads the certificate that the authority gives out.
#include "ca_certificate.h"

#include "hark/authority.h"
#include "hark/mem.h"

#include <errno.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FINGERPRINT_BYTES 32
#define NAME_MAX_BYTES    128

static int fail(int result, struct err *err)
{
    return err_set(err, "read the certificate: %s", gnutls_strerror(result));
}

static int describe_name(gnutls_x509_crt_t crt, struct ca_certificate *certificate)
{
    gnutls_datum_t subject;
    char name[NAME_MAX_BYTES];
    size_t size = sizeof name;
    int result = gnutls_x509_crt_get_dn3(crt, &subject, 0);
    if (result < 0)
        return result;
    certificate->subject = mem_strndup((const char *)subject.data, subject.size);
    gnutls_free(subject.data);
    result = gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name, &size);
    if (result >= 0)
        certificate->name = mem_strdup(name);
    return result;
}

static int describe(gnutls_x509_crt_t crt, struct ca_certificate *certificate, struct err *err)
{
    unsigned char digest[FINGERPRINT_BYTES];
    size_t size = sizeof digest;
    int result = describe_name(crt, certificate);
    if (result >= 0)
        result = gnutls_x509_crt_get_fingerprint(crt, GNUTLS_DIG_SHA256, digest, &size);
    if (result < 0)
        return fail(result, err);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(certificate->fingerprint + 3 * i, 4, "%02X%s", digest[i],
                 i + 1 < sizeof digest ? ":" : "");
    snprintf(certificate->id, sizeof certificate->id, "%02x%02x%02x%02x", digest[0], digest[1],
             digest[2], digest[3]);
    certificate->valid_from = gnutls_x509_crt_get_activation_time(crt);
    certificate->valid_until = gnutls_x509_crt_get_expiration_time(crt);
    return 0;
}

static int parse(struct ca_certificate *certificate, struct err *err)
{
    gnutls_x509_crt_t crt;
    int result = gnutls_x509_crt_init(&crt);
    if (result < 0)
        return fail(result, err);
    const gnutls_datum_t pem = {(unsigned char *)certificate->pem,
                                (unsigned)strlen(certificate->pem)};
    result = gnutls_x509_crt_import(crt, &pem, GNUTLS_X509_FMT_PEM);
    int rc = result < 0 ? fail(result, err) : describe(crt, certificate, err);
    gnutls_x509_crt_deinit(crt);
    return rc;
}

int ca_certificate_load(const char *data_dir, struct ca_certificate *certificate, struct err *err)
{
    *certificate = (struct ca_certificate){0};
    char *folder = realpath(data_dir, NULL);
    if (!folder)
        return err_set(err, "data folder: %s: %s", data_dir, strerror(errno));
    int rc = -1;
    struct authority *authority = authority_open(folder, err);
    if (authority) {
        certificate->path = mem_printf("%s/ca.pem", folder);
        certificate->pem = mem_strdup(authority_pem(authority));
        rc = parse(certificate, err);
    }
    authority_close(authority);
    free(folder);
    return rc;
}

void ca_certificate_fini(struct ca_certificate *certificate)
{
    free(certificate->path);
    free(certificate->pem);
    free(certificate->subject);
    free(certificate->name);
    *certificate = (struct ca_certificate){0};
}
