// SPDX-License-Identifier: MIT
// Certificates that hark shows to origins in the user's name.
#include "upstream_private.h"

#include "hark/mem.h"

#include <fnmatch.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

static bool matches(const struct config_client_cert *client_cert, const char *host, int port)
{
    if (client_cert->port != 0 && client_cert->port != port)
        return false;
    char *pattern = mem_strndup(client_cert->host, client_cert->host_length);
    bool is_match = fnmatch(pattern, host, FNM_CASEFOLD) == 0;
    free(pattern);
    return is_match;
}

const char *upstream_find_client_cert(const struct config *config, const char *host, int port)
{
    const struct config_list *list = &config->upstream_client_cert;
    for (size_t i = 0; i < list->count; i++) {
        struct config_client_cert client_cert;
        if (config_client_cert_parse(list->items[i], &client_cert) == 0 &&
            matches(&client_cert, host, port))
            return client_cert.file;
    }
    return NULL;
}

// A daemon has nobody to ask; without this OpenSSL would ask on the terminal.
static int refuse_password(char *password, int size, int is_new, void *was_asked)
{
    (void)password;
    (void)size;
    (void)is_new;
    *(bool *)was_asked = true;
    return -1;
}

static int check_file(SSL_CTX *context, const char *file, struct err *err)
{
    bool was_asked = false;
    SSL_CTX_set_default_passwd_cb(context, refuse_password);
    SSL_CTX_set_default_passwd_cb_userdata(context, &was_asked);
    if (SSL_CTX_use_certificate_chain_file(context, file) != 1)
        return err_set(err, "\"%s\" holds no certificate in PEM", file);
    if (SSL_CTX_use_PrivateKey_file(context, file, SSL_FILETYPE_PEM) == 1)
        return 0;
    unsigned long error = ERR_peek_last_error();
    if (was_asked)
        return err_set(err, "the key in \"%s\" has a password; store it without one", file);
    if (ERR_GET_REASON(error) == X509_R_KEY_VALUES_MISMATCH)
        return err_set(err, "the key in \"%s\" is not that of the first certificate in it", file);
    return err_set(err, "\"%s\" holds no private key in PEM", file);
}

int upstream_check_client_certs(const struct config *config, struct err *err)
{
    const struct config_list *list = &config->upstream_client_cert;
    int result = 0;
    for (size_t i = 0; i < list->count && result == 0; i++) {
        struct config_client_cert client_cert;
        SSL_CTX *context = SSL_CTX_new(TLS_client_method());
        if (context != NULL && config_client_cert_parse(list->items[i], &client_cert) == 0)
            result = check_file(context, client_cert.file, err);
        if (result != 0)
            err_prefix(err, "%s: upstream_client_cert",
                       config_origin(config, "upstream_client_cert"));
        SSL_CTX_free(context);
        ERR_clear_error();
    }
    return result;
}
