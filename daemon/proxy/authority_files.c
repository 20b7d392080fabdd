// SPDX-License-Identifier: MIT
// Making and loading the authority. The key is written first and the certificate last, each under
// another name and then renamed, so whoever sees the certificate finds a complete pair; a lock
// keeps two first starts apart.
#include "authority_files.h"

#include "hark/file_owner.h"
#include "hark/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CA_YEARS     10
#define YEAR_SECONDS ((time_t)365 * 24 * 3600)
#define DAY_SECONDS  ((time_t)24 * 3600)
#define SERIAL_BYTES 16
#define KEY_ID_MAX   64

int authority_check(int result, const char *action, struct err *err)
{
    if (result < 0)
        return err_set(err, "authority: %s: %s", action, gnutls_strerror(result));
    return 0;
}

// --- writing
// ----------------------------------------------------------------------------------------------

static int write_all(int fd, const gnutls_datum_t *data)
{
    size_t written = 0;
    while (written < data->size) {
        ssize_t count = write(fd, data->data + written, data->size - written);
        if (count < 0 && errno != EINTR)
            return -1;
        written += count > 0 ? (size_t)count : 0;
    }
    return fsync(fd);
}

static int write_file(const char *path, const gnutls_datum_t *data, mode_t mode, struct err *err)
{
    char *temporary = mem_printf("%s.new", path);
    unlink(temporary);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    int result = 0;
    if (fd < 0)
        result = err_set(err, "authority: create %s: %s", temporary, strerror(errno));
    else if (fchmod(fd, mode) != 0 || file_give_to_owner(fd, path) != 0 ||
             write_all(fd, data) != 0 || rename(temporary, path) != 0)
        result = err_set(err, "authority: write %s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    free(temporary);
    return result;
}

// --- making
// -----------------------------------------------------------------------------------------------

static int name_authority(gnutls_x509_crt_t certificate)
{
    unsigned char serial[SERIAL_BYTES];
    char name[64];
    int result = gnutls_rnd(GNUTLS_RND_KEY, serial, sizeof(serial));
    if (result < 0)
        return result;
    serial[0] &= 0x7f;
    serial[0] |= 0x01;
    // Two authorities on one machine must be told apart in a list of certificates.
    snprintf(name, sizeof(name), "hark local CA %02x%02x%02x%02x", serial[12], serial[13],
             serial[14], serial[15]);
    result = gnutls_x509_crt_set_serial(certificate, serial, sizeof(serial));
    if (result >= 0)
        result = gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, name,
                                               (unsigned)strlen(name));
    if (result >= 0)
        result = gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_ORGANIZATION_NAME, 0,
                                               "hark", 4);
    return result;
}

static int fill_authority(gnutls_x509_crt_t certificate, gnutls_x509_privkey_t key, struct err *err)
{
    unsigned char id[KEY_ID_MAX];
    size_t size = sizeof(id);
    time_t now = time(NULL);
    int result = gnutls_x509_crt_set_version(certificate, 3);
    if (result >= 0)
        result = gnutls_x509_crt_set_key(certificate, key);
    if (result >= 0)
        result = name_authority(certificate);
    if (result >= 0)
        result = gnutls_x509_crt_set_activation_time(certificate, now - DAY_SECONDS);
    if (result >= 0)
        result = gnutls_x509_crt_set_expiration_time(certificate, now + CA_YEARS * YEAR_SECONDS);
    if (result >= 0)
        result = gnutls_x509_crt_set_basic_constraints(certificate, 1, 0);
    if (result >= 0)
        result = gnutls_x509_crt_set_key_usage(certificate,
                                               GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN);
    if (result >= 0)
        result = gnutls_x509_crt_get_key_id(certificate, 0, id, &size);
    if (result >= 0)
        result = gnutls_x509_crt_set_subject_key_id(certificate, id, size);
    if (result >= 0)
        result = gnutls_x509_crt_sign2(certificate, certificate, key, GNUTLS_DIG_SHA256, 0);
    return authority_check(result, "make the certificate", err);
}

static int make(const char *certificate_path, const char *key_path, struct err *err)
{
    gnutls_x509_crt_t certificate = NULL;
    gnutls_x509_privkey_t key = NULL;
    gnutls_datum_t certificate_pem = {0};
    gnutls_datum_t key_pem = {0};
    int result = gnutls_x509_crt_init(&certificate);
    if (result >= 0)
        result = gnutls_x509_privkey_init(&key);
    if (result >= 0)
        result = gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
                                              GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
    int done = authority_check(result, "make the key", err);
    if (done == 0)
        done = fill_authority(certificate, key, err);
    if (done == 0)
        done = authority_check(gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL,
                                                                 GNUTLS_PKCS_PLAIN, &key_pem),
                               "export the key", err);
    if (done == 0)
        done = authority_check(
            gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, &certificate_pem),
            "export the certificate", err);
    if (done == 0)
        done = write_file(key_path, &key_pem, 0600, err);
    if (done == 0)
        done = write_file(certificate_path, &certificate_pem, 0644, err);
    if (key_pem.data != NULL)
        gnutls_memset(key_pem.data, 0, key_pem.size);
    gnutls_free(key_pem.data);
    gnutls_free(certificate_pem.data);
    gnutls_x509_crt_deinit(certificate);
    gnutls_x509_privkey_deinit(key);
    return done;
}

// --- loading
// ------------------------------------------------------------------------------------------------

static int check_key_file(const char *data_dir, const char *path, struct err *err)
{
    struct stat file;
    if (stat(path, &file) != 0)
        return err_set(err, "authority: %s: %s (remove ca.pem beside it to make a new pair)", path,
                       strerror(errno));
    if ((file.st_mode & 077) != 0)
        return err_set(err,
                       "authority: %s can be read by others (mode %04o): run chmod 600 %s, or "
                       "remove it and ca.pem to make a new pair if somebody may have read it",
                       path, file.st_mode & 07777, path);
    if (!file_is_of_owner(data_dir, &file))
        return err_set(err,
                       "authority: %s belongs to another user (%u): remove it and ca.pem to make a "
                       "new pair",
                       path, (unsigned)file.st_uid);
    return 0;
}

// A file of the pair that is not what it should be.
static int check_part(int result, const char *path, struct err *err)
{
    if (result < 0)
        return err_set(err,
                       "authority: %s is no certificate or key that hark can use (%s): remove "
                       "ca.pem and ca-key.pem to make a new pair",
                       path, gnutls_strerror(result));
    return 0;
}

static int load(const char *data_dir, const char *certificate_path, const char *key_path,
                gnutls_x509_crt_t *certificate, gnutls_x509_privkey_t *key, char **pem,
                struct err *err)
{
    gnutls_datum_t certificate_pem = {0};
    gnutls_datum_t key_pem = {0};
    int done = check_key_file(data_dir, key_path, err);
    if (done == 0)
        done = authority_check(gnutls_load_file(certificate_path, &certificate_pem),
                               certificate_path, err);
    if (done == 0)
        done = authority_check(gnutls_load_file(key_path, &key_pem), key_path, err);
    if (done == 0)
        done = authority_check(gnutls_x509_crt_init(certificate), "load the certificate", err);
    if (done == 0)
        done = authority_check(gnutls_x509_privkey_init(key), "load the key", err);
    if (done == 0)
        done =
            check_part(gnutls_x509_crt_import(*certificate, &certificate_pem, GNUTLS_X509_FMT_PEM),
                       certificate_path, err);
    if (done == 0)
        done = check_part(gnutls_x509_privkey_import2(*key, &key_pem, GNUTLS_X509_FMT_PEM, NULL, 0),
                          key_path, err);
    if (done == 0)
        *pem = mem_strndup((const char *)certificate_pem.data, certificate_pem.size);
    if (key_pem.data != NULL)
        gnutls_memset(key_pem.data, 0, key_pem.size);
    gnutls_free(key_pem.data);
    gnutls_free(certificate_pem.data);
    return done;
}

// Is the key the certificate's? A pair put together by hand would fail in every client.
static int check_pair(gnutls_x509_crt_t certificate, gnutls_x509_privkey_t key,
                      const char *certificate_path, struct err *err)
{
    unsigned char of_certificate[KEY_ID_MAX];
    unsigned char of_key[KEY_ID_MAX];
    size_t certificate_size = sizeof(of_certificate);
    size_t key_size = sizeof(of_key);
    int result = gnutls_x509_crt_get_key_id(certificate, 0, of_certificate, &certificate_size);
    if (result >= 0)
        result = gnutls_x509_privkey_get_key_id(key, 0, of_key, &key_size);
    if (authority_check(result, certificate_path, err) != 0)
        return -1;
    if (certificate_size != key_size || memcmp(of_certificate, of_key, key_size) != 0)
        return err_set(err,
                       "authority: %s and ca-key.pem do not belong together: remove both to make a "
                       "new pair",
                       certificate_path);
    if (gnutls_x509_crt_get_expiration_time(certificate) < time(NULL))
        return err_set(err,
                       "authority: %s has expired, if the clock is right: remove it and ca-key.pem "
                       "to make a new pair",
                       certificate_path);
    return 0;
}

int authority_files_open(const char *data_dir, gnutls_x509_crt_t *certificate,
                         gnutls_x509_privkey_t *key, char **pem, struct err *err)
{
    char *certificate_path = mem_printf("%s/ca.pem", data_dir);
    char *key_path = mem_printf("%s/ca-key.pem", data_dir);
    int result = 0;
    int lock = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock < 0 || flock(lock, LOCK_EX) != 0)
        result = err_set(err, "authority: lock %s: %s", data_dir, strerror(errno));
    else if (access(certificate_path, F_OK) != 0)
        result = make(certificate_path, key_path, err);
    if (result == 0)
        result = load(data_dir, certificate_path, key_path, certificate, key, pem, err);
    if (result == 0)
        result = check_pair(*certificate, *key, certificate_path, err);
    if (lock >= 0)
        close(lock);
    free(certificate_path);
    free(key_path);
    return result;
}
