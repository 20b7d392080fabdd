// SPDX-License-Identifier: MIT
// What TLS came to with the origin. libcurl hands out its OpenSSL session while a transfer goes
// on; it tells the same on a reused connection.
#include "upstream_private.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

// Of an http: request there may be one, too: the one with a proxy.
static SSL *session_of(const struct transfer *transfer)
{
    struct curl_tlssessioninfo *info = NULL;
    if (strcmp(transfer->exchange->target.scheme, "https") != 0 ||
        curl_easy_getinfo(transfer->job.easy, CURLINFO_TLS_SSL_PTR, &info) != CURLE_OK ||
        info == NULL || info->backend != CURLSSLBACKEND_OPENSSL)
        return NULL;
    return info->internals;
}

// A distinguished name as RFC 4514 writes it.
static void append_name(struct buffer *json, const X509_NAME *name)
{
    char *text = NULL;
    BIO *memory = BIO_new(BIO_s_mem());
    long length = 0;
    if (memory != NULL && X509_NAME_print_ex(memory, name, 0, XN_FLAG_RFC2253) >= 0)
        length = BIO_get_mem_data(memory, &text);
    buffer_append_json_string(json, text == NULL ? "" : text, (size_t)length);
    BIO_free(memory);
}

static void append_expiry(struct buffer *json, const X509 *certificate)
{
    struct tm time = {0};
    char text[32] = "";
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &time) == 1)
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &time);
    buffer_append_json_string(json, text, strlen(text));
}

static const char *describe_certificate(SSL *session, struct arena *arena)
{
    X509 *certificate = SSL_get1_peer_certificate(session);
    if (certificate == NULL)
        return NULL;
    struct buffer json = {0};
    buffer_append_text(&json, "{\"subject\":");
    append_name(&json, X509_get_subject_name(certificate));
    buffer_append_text(&json, ",\"issuer\":");
    append_name(&json, X509_get_issuer_name(certificate));
    buffer_append_text(&json, ",\"expires\":");
    append_expiry(&json, certificate);
    buffer_append_char(&json, '}');
    X509_free(certificate);
    const char *text = arena_strndup(arena, json.data, json.length);
    buffer_fini(&json);
    return text;
}

void upstream_take_tls(struct transfer *transfer)
{
    struct exchange_row *row = transfer->exchange->row;
    SSL *session = session_of(transfer);
    if (session == NULL)
        return;
    row->tls_version = arena_strdup(&row->arena, SSL_get_version(session));
    row->tls_cipher = arena_strdup(&row->arena, SSL_get_cipher_name(session));
    row->server_cert = describe_certificate(session, &row->arena);
}

bool upstream_has_alternative_name(struct transfer *transfer)
{
    SSL *session = session_of(transfer);
    const X509 *certificate = session == NULL ? NULL : SSL_get0_peer_certificate(session);
    if (certificate == NULL)
        return false;
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    bool has_any = false;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        int type = sk_GENERAL_NAME_value(names, i)->type;
        has_any = has_any || type == GEN_DNS || type == GEN_IPADD;
    }
    GENERAL_NAMES_free(names);
    return has_any;
}

// OpenSSL calls this when the origin asks for a certificate. libcurl has a context for each
// connection.
static int on_client_cert_wanted(SSL *session, void *mark)
{
    SSL_CTX_set_app_data(SSL_get_SSL_CTX(session), mark);
    return 1;
}

bool upstream_wants_client_cert(struct transfer *transfer)
{
    SSL *session = session_of(transfer);
    return session != NULL && SSL_CTX_get_app_data(SSL_get_SSL_CTX(session)) != NULL;
}

// A signature that is not even well-formed leaves an error of its own in OpenSSL's queue, and
// libcurl reports the first one there instead of what the verification came to.
static int on_verified(int is_good, X509_STORE_CTX *store)
{
    (void)store;
    if (!is_good)
        ERR_clear_error();
    return is_good;
}

CURLcode upstream_on_tls_context(CURL *easy, void *context, void *ctx)
{
    (void)easy;
    (void)ctx;
    SSL_CTX_set_verify(context, SSL_CTX_get_verify_mode(context), on_verified);
    SSL_CTX_set_cert_cb(context, on_client_cert_wanted, context);
    return CURLE_OK;
}
