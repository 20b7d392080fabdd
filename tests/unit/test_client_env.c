// SPDX-License-Identifier: MIT
// The environment that programs get: what is set, and what of the caller's is kept.
#include "cli/client_env.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static const struct client_files files = {
    .ca = "/d/ca.pem",
    .bundle = "/d/bundle.pem",
    .wgetrc = "/d/clients/wgetrc",
    .php_folder = "/d/clients/php",
    .python_folder = "/d/clients/python",
    .node_shim = "/d/clients/node.js",
    .java_store = "/d/clients/cacerts.p12",
};

static const char *value_of(const struct client_env *env, const char *name)
{
    for (size_t i = 0; i < env->count; i++)
        if (strcmp(env->items[i].name, name) == 0)
            return env->items[i].value;
    return NULL;
}

// execve(2) and its kind have no const for what they do not change.
static char *const *environment_of(const char *const *variables)
{
    return (char *const *)(uintptr_t)variables;
}

static void make(struct client_env *env, const struct client_files *from, const char *variable)
{
    const char *const variables[] = {variable, NULL};
    client_env_make(env, "127.0.0.1:4275", from, environment_of(variables));
}

// What `name` becomes where the caller's environment has `variable` alone.
static void assert_becomes(const char *variable, const char *name, const char *expected)
{
    struct client_env env;
    make(&env, &files, variable);
    if (expected)
        assert_string_equal(value_of(&env, name), expected);
    else
        assert_null(value_of(&env, name));
    client_env_fini(&env);
}

static void test_both_spellings_name_the_proxy(void **state)
{
    (void)state;
    static const char *const names[] = {"http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_becomes("http_proxy=http://other:3128", names[i], "http://127.0.0.1:4275");
    assert_becomes("ALL_PROXY=socks5://other:1080", "ALL_PROXY", NULL);
}

static void
test_variables_that_add_name_our_authority_and_those_that_replace_the_bundle(void **state)
{
    (void)state;
    assert_becomes("X=", "NODE_EXTRA_CA_CERTS", "/d/ca.pem");
    assert_becomes("X=", "DENO_CERT", "/d/ca.pem");
    assert_becomes("X=", "SSL_CERT_FILE", "/d/bundle.pem");
    assert_becomes("X=", "REQUESTS_CA_BUNDLE", "/d/bundle.pem");
    assert_becomes("SSL_CERT_FILE=/corp.pem", "SSL_CERT_FILE", "/d/bundle.pem");
}

// The bundle holds what the caller had added, too.
static void test_an_authority_that_the_caller_added_is_kept(void **state)
{
    (void)state;
    assert_becomes("NODE_EXTRA_CA_CERTS=/corp.pem", "NODE_EXTRA_CA_CERTS", "/d/bundle.pem");
    assert_becomes("NODE_EXTRA_CA_CERTS=/d/ca.pem", "NODE_EXTRA_CA_CERTS", "/d/ca.pem");
    assert_becomes("npm_config_cafile=/corp.pem", "npm_config_cafile", "/d/bundle.pem");
    assert_becomes("X=", "npm_config_cafile", NULL);
}

static void test_exceptions_of_both_spellings_are_merged(void **state)
{
    (void)state;
    const char *const variables[] = {"NO_PROXY=b, c.example a", "no_proxy=a,b", NULL};
    struct client_env env;
    client_env_make(&env, "127.0.0.1:4275", &files, environment_of(variables));
    assert_string_equal(value_of(&env, "no_proxy"), "a,b,c.example,169.254.169.254");
    assert_string_equal(value_of(&env, "NO_PROXY"), "a,b,c.example,169.254.169.254");
    client_env_fini(&env);
    assert_becomes("X=", "NO_PROXY", "169.254.169.254");
    assert_becomes("NO_PROXY=", "NO_PROXY", "169.254.169.254");
}

static void test_lists_keep_what_they_hold(void **state)
{
    (void)state;
    assert_becomes("X=", "PYTHONPATH", "/d/clients/python");
    assert_becomes("PYTHONPATH=", "PYTHONPATH", "/d/clients/python");
    assert_becomes("PYTHONPATH=/a:/b", "PYTHONPATH", "/d/clients/python:/a:/b");
    assert_becomes("X=", "PHP_INI_SCAN_DIR", ":/d/clients/php");
    assert_becomes("PHP_INI_SCAN_DIR=/a", "PHP_INI_SCAN_DIR", "/a:/d/clients/php");
    assert_becomes("X=", "NODE_OPTIONS", "--require /d/clients/node.js");
    assert_becomes("NODE_OPTIONS=--no-warnings", "NODE_OPTIONS",
                   "--no-warnings --require /d/clients/node.js");
}

static void test_java_learns_proxy_exceptions_and_store(void **state)
{
    (void)state;
#define PROXY                                           \
    "-Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort=4275 " \
    "-Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=4275 "
#define STORE                                             \
    " -Djavax.net.ssl.trustStore=/d/clients/cacerts.p12 " \
    "-Djavax.net.ssl.trustStoreType=PKCS12"
    assert_becomes("X=", "JAVA_TOOL_OPTIONS", PROXY "-Dhttp.nonProxyHosts=169.254.169.254" STORE);
    assert_becomes("JAVA_TOOL_OPTIONS=-Xmx1g", "JAVA_TOOL_OPTIONS",
                   "-Xmx1g " PROXY "-Dhttp.nonProxyHosts=169.254.169.254" STORE);
    assert_becomes("NO_PROXY=a.b,.c.d,10.0.0.0/8,e:80", "JAVA_TOOL_OPTIONS",
                   PROXY "-Dhttp.nonProxyHosts=a.b|*.a.b|*.c.d|169.254.169.254" STORE);
}

static void test_without_java_its_options_are_left_alone(void **state)
{
    (void)state;
    struct client_files none = files;
    none.java_store = NULL;
    struct client_env env;
    make(&env, &none, "JAVA_TOOL_OPTIONS=-Xmx1g");
    assert_null(value_of(&env, "JAVA_TOOL_OPTIONS"));
    client_env_fini(&env);
}

static void test_paths_with_spaces_are_quoted_for_node_and_java(void **state)
{
    (void)state;
    struct client_files spaced = files;
    spaced.node_shim = "/my \"d\"/node.js";
    spaced.java_store = "/my d/cacerts.p12";
    struct client_env env;
    make(&env, &spaced, "X=");
    assert_string_equal(value_of(&env, "NODE_OPTIONS"), "--require \"/my \\\"d\\\"/node.js\"");
    assert_non_null(strstr(value_of(&env, "JAVA_TOOL_OPTIONS"),
                           " -Djavax.net.ssl.trustStore=\"/my d/cacerts.p12\" "));
    client_env_fini(&env);
}

static void test_doing_it_twice_changes_nothing(void **state)
{
    (void)state;
    const char *const variables[] = {"NO_PROXY=a", "PYTHONPATH=/p", "NODE_OPTIONS=-x",
                                     "JAVA_TOOL_OPTIONS=-Xmx1g", NULL};
    char *const *environment = environment_of(variables);
    struct client_env once, twice;
    client_env_make(&once, "127.0.0.1:4275", &files, environment);
    client_env_make(&twice, "127.0.0.1:4275", &files, client_env_merge(&once, environment));
    assert_int_equal(once.count, twice.count);
    for (size_t i = 0; i < once.count; i++)
        assert_string_equal(once.items[i].value, twice.items[i].value);
    client_env_fini(&once);
    client_env_fini(&twice);
}

static void test_merging_replaces_and_keeps_the_rest(void **state)
{
    (void)state;
    const char *const variables[] = {"HOME=/h", "http_proxy=http://other", "PATH=/bin", NULL};
    char *const *environment = environment_of(variables);
    struct client_env env;
    client_env_make(&env, "127.0.0.1:4275", &files, environment);
    char **merged = client_env_merge(&env, environment);
    assert_string_equal(merged[0], "HOME=/h");
    assert_string_equal(merged[1], "PATH=/bin");
    size_t count = 0, proxies = 0;
    for (; merged[count]; count++)
        proxies += strncmp(merged[count], "http_proxy=", 11) == 0;
    assert_int_equal(count, 2 + env.count);
    assert_int_equal(proxies, 1);
    client_env_fini(&env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_spellings_name_the_proxy),
        cmocka_unit_test(
            test_variables_that_add_name_our_authority_and_those_that_replace_the_bundle),
        cmocka_unit_test(test_an_authority_that_the_caller_added_is_kept),
        cmocka_unit_test(test_exceptions_of_both_spellings_are_merged),
        cmocka_unit_test(test_lists_keep_what_they_hold),
        cmocka_unit_test(test_java_learns_proxy_exceptions_and_store),
        cmocka_unit_test(test_without_java_its_options_are_left_alone),
        cmocka_unit_test(test_paths_with_spaces_are_quoted_for_node_and_java),
        cmocka_unit_test(test_doing_it_twice_changes_nothing),
        cmocka_unit_test(test_merging_replaces_and_keeps_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
