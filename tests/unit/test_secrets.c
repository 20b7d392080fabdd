// SPDX-License-Identifier: MIT
// What is masked before an exchange leaves the recording, and what is not.
#include "hark/secrets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static void assert_field(const char *name, const char *value, const char *expected)
{
    struct buffer out = {0};
    bool has_secret = secrets_mask_field(name, value, &out);
    assert_string_equal(out.data, expected);
    assert_int_equal(has_secret, strcmp(value, expected) != 0);
    // Masking what is masked changes nothing.
    struct buffer again = {0};
    assert_false(secrets_mask_field(name, expected, &again));
    assert_string_equal(again.data, expected);
    buffer_fini(&again);
    buffer_fini(&out);
}

static void assert_url(const char *url, const char *expected)
{
    struct buffer out = {0};
    assert_int_equal(secrets_mask_url(url, &out), strcmp(url, expected) != 0);
    assert_string_equal(out.data, expected);
    buffer_fini(&out);
}

static void test_credentials_keep_their_scheme(void **state)
{
    (void)state;
    assert_field("Authorization", "Bearer abc.def", "Bearer ***");
    assert_field("authorization", "Digest username=\"u\", response=\"r\"", "Digest ***");
    assert_field("Proxy-Authorization", "Basic  dXNlcjpwYXNz", "Basic  ***");
    assert_field("Authorization", "abcdef", "***");
}

static void test_cookies_keep_names_and_attributes(void **state)
{
    (void)state;
    assert_field("Cookie", "a=1; session=x=y;  theme=", "a=***; session=***;  theme=");
    assert_field("Cookie", "alone", "***");
    assert_field("Set-Cookie", "id=abc; Path=/; HttpOnly; Max-Age=5",
                 "id=***; Path=/; HttpOnly; Max-Age=5");
    assert_field("set-cookie", "id=", "id=");
}

static void test_fields_with_secret_names(void **state)
{
    (void)state;
    static const char *const secret[] = {
        "X-Api-Key",
        "x_api_key",
        "ApiKey",
        "X-Goog-Api-Key",
        "X-Auth-Token",
        "X-CSRF-Token",
        "X-Client-Secret",
        "X-Vault-Token",
        "X-Hub-Signature-256",
        "Ocp-Apim-Subscription-Key",
        "X-Amz-Security-Token",
    };
    static const char *const plain[] = {
        "Accept",
        "Content-Type",
        "Host",
        "Sec-WebSocket-Key",
        "Idempotency-Key",
        "WWW-Authenticate",
        "ETag",
        "X-RateLimit-Remaining-Tokens",
        "Vary",
    };
    for (size_t i = 0; i < sizeof(secret) / sizeof(secret[0]); i++)
        assert_field(secret[i], "value", "***");
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
        assert_field(plain[i], "value", "value");
    assert_field("X-Api-Key", "", "");
}

static void test_urls(void **state)
{
    (void)state;
    assert_url("http://h/p?a=1&token=x&b=2", "http://h/p?a=1&token=***&b=2");
    assert_url("/p?access%5Ftoken=x", "/p?access%5Ftoken=***");
    assert_url("/p?API_KEY=x&key=y&sig=z&code=c&password=p", "/p?API_KEY=***&key=***&sig=***"
                                                             "&code=***&password=***");
    assert_url("/p?token=a;b=c=d&e", "/p?token=***&e");
    assert_url("/p?max_tokens=100&monkey=1&key", "/p?max_tokens=100&monkey=1&key");
    assert_url("https://user:pass@h/p", "https://***@h/p");
    assert_url("//user@h?x", "//***@h?x");
    assert_url("http://h/p@q?r=s@t", "http://h/p@q?r=s@t");
    assert_url("/p#access_token=x&state=1", "/p#access_token=***&state=1");
    assert_url("/p?token=x#token=y", "/p?token=***#token=***");
    assert_url("", "");
    assert_url("?&&=", "?&&=");
    assert_url("/p?token=", "/p?token=");
}

static void test_urls_in_fields(void **state)
{
    (void)state;
    assert_field("Referer", "http://h/?token=x", "http://h/?token=***");
    assert_field("Location", "/cb?code=x&state=1", "/cb?code=***&state=1");
    assert_field("X-Other", "http://h/?token=x", "http://h/?token=x");
}

static void add(struct exchange_row *row, struct fields *fields, const char *name,
                const char *value)
{
    fields_add(fields, &row->arena, name, strlen(name), value, strlen(value));
}

static void test_a_row_is_masked_everywhere(void **state)
{
    (void)state;
    struct exchange_row *row = row_create();
    row->query = "token=x";
    row->interim = "[{\"status\":103,\"headers\":[[\"Set-Cookie\",\"a=b\"],[\"Link\",\"</x>\"]]}]";
    add(row, &row->request_headers, "Authorization", "Bearer x");
    add(row, &row->request_trailers, "X-Api-Key", "x");
    add(row, &row->response_headers, "Set-Cookie", "a=b");
    add(row, &row->response_trailers, "X-Token", "x");
    secrets_mask_row(row);
    assert_string_equal(row->query, "token=***");
    assert_string_equal(row->interim, "[{\"status\":103,\"headers\":[[\"Set-Cookie\",\"a=***\"],"
                                      "[\"Link\",\"</x>\"]]}]");
    assert_string_equal(row->request_headers.items[0].value, "Bearer ***");
    assert_int_equal(row->request_headers.items[0].value_length, 10);
    assert_string_equal(row->request_trailers.items[0].value, "***");
    assert_string_equal(row->response_headers.items[0].value, "a=***");
    assert_string_equal(row->response_trailers.items[0].value, "***");
    row_destroy(row);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_credentials_keep_their_scheme),
        cmocka_unit_test(test_cookies_keep_names_and_attributes),
        cmocka_unit_test(test_fields_with_secret_names),
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_urls_in_fields),
        cmocka_unit_test(test_a_row_is_masked_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
