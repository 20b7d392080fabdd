// SPDX-License-Identifier: MIT
// What a configuration says for libcurl and OpenSSL, judged by themselves before it counts: after a
// reload each request would fail.
#include "upstream_private.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <sys/stat.h>

static CURLUcode parse_proxy(const char *text)
{
    static const CURLUPart parts[] = {CURLUPART_USER, CURLUPART_PASSWORD};
    CURLU *url = curl_url();
    CURLUcode code = curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME);
    for (size_t i = 0; code == CURLUE_OK && i < sizeof(parts) / sizeof(parts[0]); i++) {
        char *part = NULL;
        code = curl_url_get(url, parts[i], &part, CURLU_URLDECODE);
        if (code == CURLUE_NO_USER || code == CURLUE_NO_PASSWORD)
            code = CURLUE_OK;
        curl_free(part);
    }
    curl_url_cleanup(url);
    return code;
}

// The text may have a password in it.
static int check_proxy(const struct config *config, struct err *err)
{
    if (config->upstream_proxy == NULL)
        return 0;
    CURLUcode code = parse_proxy(config->upstream_proxy);
    if (code == CURLUE_OK)
        return 0;
    return err_set(err, "%s: upstream_proxy: not the URL of a proxy: %s",
                   config_origin(config, "upstream_proxy"), curl_url_strerror(code));
}

static int check_roots(const struct config *config, struct err *err)
{
    const char *file = config->upstream_ca_file;
    struct stat stat_of_file;
    if (file == NULL)
        return 0;
    bool is_file = stat(file, &stat_of_file) == 0 && S_ISREG(stat_of_file.st_mode);
    X509_STORE *store = X509_STORE_new();
    bool is_good = is_file && X509_STORE_load_file(store, file) == 1;
    X509_STORE_free(store);
    ERR_clear_error();
    if (is_good)
        return 0;
    return err_set(err, "%s: upstream_ca_file: \"%s\" holds no certificate in PEM",
                   config_origin(config, "upstream_ca_file"), file);
}

int upstream_check_config(const struct config *config, struct err *err)
{
    if (check_proxy(config, err) != 0 || check_roots(config, err) != 0)
        return -1;
    return upstream_check_client_certs(config, err);
}
