// SPDX-License-Identifier: MIT
// The configuration: each layer, each type of value, and where a mistake is said to be.

#include "hark/buffer.h"
#include "hark/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define LISTED(...) ((const char *const[]){__VA_ARGS__})

// One case: a folder that is HOME, a file in it, and the sources made of them.
struct fixture {
    char folder[64];
    char file[96];
    char *environ[4];
    struct config *config;
    struct err err;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    snprintf(fixture->folder, sizeof fixture->folder, "/tmp/hark-config-XXXXXX");
    if (mkdtemp(fixture->folder) == NULL)
        return -1;
    snprintf(fixture->file, sizeof fixture->file, "%s/test.conf", fixture->folder);
    if (asprintf(&fixture->environ[0], "HOME=%s", fixture->folder) < 0)
        return -1;
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    config_release(fixture->config);
    unlink(fixture->file);
    rmdir(fixture->folder);
    for (size_t i = 0; fixture->environ[i] != NULL; i++)
        free(fixture->environ[i]);
    free(fixture);
    return 0;
}

static void add_environment(struct fixture *fixture, const char *variable)
{
    size_t i = 0;
    while (fixture->environ[i] != NULL)
        i++;
    assert_true(i + 1 < sizeof fixture->environ / sizeof fixture->environ[0]);
    fixture->environ[i] = strdup(variable);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

// Loads `text` as the file (NULL: no file) and `sets` as flags.
static struct config *load(struct fixture *fixture, const char *text, const char *const *sets,
                           size_t set_count)
{
    struct config_sources sources = {
        .sets = sets, .set_count = set_count, .environ = fixture->environ};
    if (text != NULL) {
        write_file(fixture->file, text);
        sources.file = fixture->file;
    }
    config_release(fixture->config);
    fixture->err = (struct err){0};
    fixture->config = config_load(&sources, &fixture->err);
    return fixture->config;
}

static struct config *load_file(struct fixture *fixture, const char *text)
{
    struct config *config = load(fixture, text, NULL, 0);
    if (config == NULL)
        fail_msg("%s", fixture->err.text);
    return config;
}

static struct config *load_set(struct fixture *fixture, const char *set)
{
    struct config *config = load(fixture, NULL, &set, 1);
    if (config == NULL)
        fail_msg("%s", fixture->err.text);
    return config;
}

// `expected` is what follows the name of the file.
static void assert_file_mistake(struct fixture *fixture, const char *text, const char *expected)
{
    assert_null(load(fixture, text, NULL, 0));
    assert_int_equal(strncmp(fixture->err.text, fixture->file, strlen(fixture->file)), 0);
    assert_string_equal(fixture->err.text + strlen(fixture->file), expected);
}

static void assert_set_mistake(struct fixture *fixture, const char *set, const char *expected)
{
    assert_null(load(fixture, NULL, &set, 1));
    assert_string_equal(fixture->err.text, expected);
}

static void assert_list(const struct config_list *list, const char *const *items, size_t count)
{
    assert_int_equal(list->count, count);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(list->items[i], items[i]);
}

static void test_without_sources_every_option_has_its_default(void **state)
{
    struct config *config = load(*state, NULL, NULL, 0);
    assert_non_null(config);
    assert_null(config_file_in_use(config));
    assert_list(&config->listen, LISTED("127.0.0.1:4275"), 1);
    assert_string_equal(config->ui, "127.0.0.1:4276");
    assert_null(config->db);
    assert_in_range(config->workers, 1, 4);
    assert_int_equal(config->mode, CONFIG_MODE_RECORD);
    assert_int_equal(config->durability, CONFIG_DURABILITY_RELAXED);
    assert_int_equal(config->queue_bytes, 32 << 20);
    assert_true(config->intercept);
    assert_true(config->upstream_verify);
    assert_false(config->via);
    assert_int_equal(config->connect_timeout_ms, 10 * 1000);
    assert_int_equal(config->header_timeout_ms, 5 * 60 * 1000);
    assert_int_equal(config->idle_timeout_ms, 10 * 60 * 1000);
    assert_int_equal(config->max_connections, 20000);
    assert_int_equal(config->max_header_bytes, 28 << 10);
    assert_true(config->record_bodies_bytes == INT64_MAX);
    assert_int_equal(config->keep_age_ms, 0);
    assert_int_equal(config->keep_bytes, 0);
    assert_int_equal(config->allow.count, 0);
    assert_int_equal(config->playback_match.count, 7);
    assert_int_equal(config->log_level, LOG_LEVEL_INFO);
    assert_int_equal(config->log_format, CONFIG_LOG_FORMAT_TEXT);
}

static void test_file_takes_comments_blank_lines_and_all_types(void **state)
{
    struct config *config = load_file(*state, "# a comment\n"
                                              "; another\n"
                                              "\n"
                                              "mode = playback-or-record\n"
                                              "via=on\n"
                                              "workers   =   3  \n"
                                              "queue_bytes = 2M\n"
                                              "record_bodies = 64k\n"
                                              "connect_timeout = 500ms\n"
                                              "keep_age = 7d\n"
                                              "ignore = host:a.example path:/x y\n"
                                              "log_level = debug\n");
    assert_int_equal(config->mode, CONFIG_MODE_PLAYBACK_OR_RECORD);
    assert_true(config->via);
    assert_int_equal(config->workers, 3);
    assert_int_equal(config->queue_bytes, 2 << 20);
    assert_int_equal(config->record_bodies_bytes, 64 << 10);
    assert_int_equal(config->connect_timeout_ms, 500);
    assert_int_equal(config->keep_age_ms, 7 * 86400 * 1000);
    assert_string_equal(config->ignore, "host:a.example path:/x y");
    assert_int_equal(config->log_level, LOG_LEVEL_DEBUG);
}

static void test_list_grows_by_spaces_commas_repeats_and_indented_lines(void **state)
{
    struct config *config = load_file(*state, "redact_headers = Authorization, Cookie\n"
                                              "redact_headers = X-Key\tX-Token\n"
                                              "    Set-Cookie\n");
    assert_list(&config->redact_headers,
                LISTED("Authorization", "Cookie", "X-Key", "X-Token", "Set-Cookie"), 5);
    assert_string_equal(config_text(config, "redact_headers"),
                        "Authorization Cookie X-Key X-Token Set-Cookie");
}

static void test_list_in_a_higher_layer_replaces_the_lower_one(void **state)
{
    struct fixture *fixture = *state;
    struct config *config = load(fixture, "redact_query = a b\nlisten = 127.0.0.1:1\n",
                                 LISTED("redact_query=c", "redact_query=d"), 2);
    assert_list(&config->redact_query, LISTED("c", "d"), 2);
    assert_list(&config->listen, LISTED("127.0.0.1:1"), 1);
}

static void test_empty_value_clears_a_list(void **state)
{
    struct config *config = load(*state, "redact_query = a b\n", LISTED("redact_query="), 1);
    assert_int_equal(config->redact_query.count, 0);
}

static void test_flag_wins_over_environment_and_that_over_file(void **state)
{
    struct fixture *fixture = *state;
    add_environment(fixture, "HARK_WORKERS=7");
    add_environment(fixture, "HARK_MODE=playback");
    struct config *config =
        load(fixture, "workers = 5\nmode = off\nvia = on\n", LISTED("workers=9"), 1);
    assert_int_equal(config->workers, 9);
    assert_int_equal(config->mode, CONFIG_MODE_PLAYBACK);
    assert_true(config->via);
    assert_string_equal(config_origin(config, "workers"), "--set workers=9");
    assert_string_equal(config_origin(config, "mode"), "HARK_MODE=playback");
    assert_string_equal(config_origin(config, "via") + strlen(fixture->file), ":3");
    assert_string_equal(config_origin(config, "db"), "default");
}

static void test_last_of_two_flags_wins(void **state)
{
    struct config *config = load(*state, NULL, LISTED("mode=off", "mode=record"), 2);
    assert_int_equal(config->mode, CONFIG_MODE_RECORD);
}

static void test_environment_variable_that_is_no_key_or_empty_is_ignored(void **state)
{
    struct fixture *fixture = *state;
    add_environment(fixture, "HARK_DATA_DIR=/x");
    add_environment(fixture, "HARK_WORKERS=");
    assert_non_null(load(fixture, NULL, NULL, 0));
}

static void test_mistake_in_the_environment_names_the_variable(void **state)
{
    struct fixture *fixture = *state;
    add_environment(fixture, "HARK_MODE=recrod");
    assert_null(load(fixture, NULL, NULL, 0));
    assert_string_equal(fixture->err.text,
                        "HARK_MODE=recrod: mode: \"recrod\" is not record, playback, "
                        "playback-or-record or off");
}

static void test_unknown_key_is_reported_with_line_and_suggestion(void **state)
{
    assert_file_mistake(*state, "# first\n\nlisen = 127.0.0.1:1\n",
                        ":3: unknown key \"lisen\": did you mean \"listen\"?");
    assert_file_mistake(*state, "zzzzzzzz = 1\n", ":1: unknown key \"zzzzzzzz\"");
    assert_set_mistake(*state, "lisen=1",
                       "--set lisen=1: unknown key \"lisen\": did you mean \"listen\"?");
}

static void test_flag_without_value_is_a_mistake(void **state)
{
    assert_set_mistake(*state, "mode", "--set mode: not key=value");
}

static void test_first_mistake_in_the_file_is_reported(void **state)
{
    assert_file_mistake(*state, "via = on\nworkers = x\nmode = y\n",
                        ":2: workers: \"x\" is not a number");
    assert_file_mistake(*state, "via = on\nwithout a value\nmode = y\n", ":2: not \"key = value\"");
    assert_file_mistake(*state, "via = on\nmode = y\nwithout a value\n",
                        ":2: mode: \"y\" is not record, playback, playback-or-record or off");
    assert_file_mistake(*state, "via = on\nwithout a value\n", ":2: not \"key = value\"");
}

static void test_line_that_is_too_long_is_refused_with_its_number(void **state)
{
    struct fixture *fixture = *state;
    char text[9000];
    int head = snprintf(text, sizeof text, "via = on\nredact_query = ");
    memset(text + head, 'q', sizeof text - (size_t)head);
    memcpy(text + sizeof text - 2, "\n", 2);
    assert_null(load(fixture, text, NULL, 0));
    assert_non_null(strstr(fixture->err.text, ".conf:2: longer than "));
}

// What reading takes grows with the list, not with its square: 8,000 items took a gigabyte.
static void test_long_list_takes_little_memory(void **state)
{
    enum {
        ITEMS = 8000
    };
    struct buffer text = {0};
    for (int i = 0; i < ITEMS; i++)
        buffer_printf(&text, "passthrough = host%d.example.com\n", i);
    struct config *config = load_file(*state, text.data);
    buffer_fini(&text);
    assert_int_equal(config->passthrough.count, ITEMS);
    assert_string_equal(config->passthrough.items[ITEMS - 1], "host7999.example.com");
    assert_true(config->arena.bytes < 1024 * ITEMS);
}

static void test_filter_goes_on_in_indented_lines(void **state)
{
    struct fixture *fixture = *state;
    struct config *config = load_file(fixture, "ignore = path:/health\n"
                                               "  # not this one\n"
                                               "    or path:/metrics\n"
                                               "\tor path:/ready\n"
                                               "playback_filter = host:a\n"
                                               "via = on\n");
    assert_string_equal(config->ignore, "path:/health or path:/metrics or path:/ready");
    assert_string_equal(config_text(config, "ignore"), config->ignore);
    assert_string_equal(config_origin(config, "ignore") + strlen(fixture->file), ":1");
    assert_string_equal(config->playback_filter, "host:a");
    assert_true(config->via);
    config = load_file(fixture, "via = on\nignore = a\n  b");
    assert_string_equal(config->ignore, "a b");
    assert_file_mistake(fixture, "proxy_auth = /dev/null\n  more\n",
                        ":2: \"proxy_auth\" takes one line; what is longer can come from --set "
                        "or the environment");
    assert_null(load(fixture, "ignore = a\n  b\nignore = c\n", NULL, 0));
    assert_non_null(strstr(fixture->err.text, ".conf:3: \"ignore\" is set already at "));
}

static void test_comment_may_be_of_any_length(void **state)
{
    char text[9000];
    memset(text, 'c', sizeof text);
    memcpy(text, "via = on\n  # ", 13);
    memcpy(text + 6000, "\nmode = off\n;", 13);
    text[sizeof text - 1] = '\0';
    struct config *config = load_file(*state, text);
    assert_true(config->via);
    assert_int_equal(config->mode, CONFIG_MODE_OFF);
}

static void test_password_is_in_no_message(void **state)
{
    struct fixture *fixture = *state;
    assert_file_mistake(fixture, "upstream_proxy = me:secret@proxy:3128\n",
                        ":1: upstream_proxy: \"***@proxy:3128\" is not the URL of a proxy such as "
                        "http://proxy:3128");
    assert_set_mistake(fixture, "upstrem_proxy=http://me:secret@proxy:3128",
                       "--set upstrem_proxy=http://***@proxy:3128: unknown key \"upstrem_proxy\": "
                       "did you mean \"upstream_proxy\"?");
    assert_set_mistake(fixture, "reverse=127.0.0.1:0=http://me:sec/ret@a.example",
                       "--set reverse=127.0.0.1:0=http://***@a.example: reverse: "
                       "\"127.0.0.1:0=http://***@a.example\" has more than scheme, host and port "
                       "(\"***@a.example\"); paths are passed on as they are asked for");
    struct config *config = load_set(fixture, "upstream_proxy=http://me:secret@proxy:3128");
    assert_string_equal(config->upstream_proxy, "http://me:secret@proxy:3128");
    add_environment(fixture, "HARK_UPSTREAM_PROXY=ftp://me:sec@ret@proxy");
    assert_null(load(fixture, NULL, NULL, 0));
    assert_string_equal(fixture->err.text,
                        "HARK_UPSTREAM_PROXY=ftp://***@proxy: upstream_proxy: \"ftp://***@proxy\" "
                        "is not the URL of a proxy such as http://proxy:3128");
}

static void test_repeated_key_that_is_no_list_is_a_mistake(void **state)
{
    struct fixture *fixture = *state;
    assert_null(load(fixture, "via = on\nmode = off\nvia = off\n", NULL, 0));
    assert_non_null(strstr(fixture->err.text, ".conf:3: \"via\" is set already at "));
    assert_non_null(strstr(fixture->err.text, ".conf:1"));
}

static void test_section_is_a_mistake(void **state)
{
    assert_file_mistake(*state, "[proxy]\nvia = on\n",
                        ":2: \"via\" stands in section [proxy]; there are no sections");
}

static void test_bad_numbers_and_units_are_refused(void **state)
{
    assert_set_mistake(*state, "queue_bytes=1Q",
                       "--set queue_bytes=1Q: queue_bytes: \"1Q\" is not a size such as 64k, 1M "
                       "or 1G");
    assert_set_mistake(*state, "record_bodies=-1",
                       "--set record_bodies=-1: record_bodies: \"-1\" is not all or a size such "
                       "as 64k, 1M or 1G");
    assert_set_mistake(*state, "idle_timeout=5w",
                       "--set idle_timeout=5w: idle_timeout: \"5w\" is not a duration such as "
                       "500ms, 10s, 5m or 7d");
    assert_set_mistake(*state, "keep_age=30",
                       "--set keep_age=30: keep_age: \"30\" has no unit; write for example 30d, "
                       "12h or 90s");
    assert_set_mistake(*state, "connect_timeout=0",
                       "--set connect_timeout=0: connect_timeout: 0 is too small");
    assert_set_mistake(*state, "workers=65", "--set workers=65: workers: 65 is too large");
    assert_set_mistake(*state, "max_header_bytes=2M",
                       "--set max_header_bytes=2M: max_header_bytes: 2M is too large");
    assert_set_mistake(*state, "keep_bytes=9000000000000000000k",
                       "--set keep_bytes=9000000000000000000k: keep_bytes: "
                       "\"9000000000000000000k\" is not a size such as 64k, 1M or 1G");
    assert_set_mistake(*state, "keep_bytes=10", "--set keep_bytes=10: keep_bytes: 10 is too small");
    assert_set_mistake(*state, "workers=", "--set workers=: workers: \"\" is not a number");
    assert_set_mistake(*state, "via=yes", "--set via=yes: via: \"yes\" is not off or on");
}

static void test_values_of_the_wrong_shape_are_refused(void **state)
{
    static const char *const bad[] = {
        "listen=localhost:4275",
        "listen=127.0.0.1",
        "listen=127.0.0.1:65536",
        "listen=127.0.0.1:",
        "listen=::1:80",
        "listen=[127.0.0.1]:80",
        "listen=",
        "ui=nowhere",
        "allow=10.0.0.0/33",
        "allow=10.0.0",
        "allow=fd00::/129",
        "allow=10.0.0.0/",
        "connect_to=a.example:443:127.0.0.1",
        "connect_to=a.example:443:127.0.0.1:8443:1",
        "connect_to=a.example:x:127.0.0.1:8443",
        "connect_to=a.example:123456:127.0.0.1:8443",
        "connect_to=[::1:443:127.0.0.1:8443",
        "connect_to=a.example:443:127.0.0.1:65536",
        "upstream_client_cert=/dev/null",
        "upstream_client_cert=a.example",
        "upstream_client_cert=a.example:",
        "upstream_client_cert=a.example:443:",
        "upstream_client_cert=:/dev/null",
        "upstream_client_cert=a.example:/nonexistent/me.pem",
        "reverse=127.0.0.1:80",
        "reverse=127.0.0.1:80=a.example",
        "reverse=127.0.0.1:80=http://a.example/path",
        "reverse=a.example:80=http://a.example",
        "upstream_proxy=proxy:3128",
        "upstream_proxy=http://",
        "upstream_ca_file=/nonexistent/ca.pem",
        "passthrough=https://a.example",
        "redact_headers=Na(me",
        "playback_match=method,colour",
        "playback_match=header:",
        "playback_match=header:a b:c",
        "upstream_http=3",
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (load(fixture, NULL, &bad[i], 1) != NULL)
            fail_msg("accepted: %s", bad[i]);
    }
}

static void test_values_of_the_right_shape_are_taken(void **state)
{
    static const char *const good[] = {
        "listen=127.0.0.1:0",
        "listen=[::1]:4275",
        "listen=127.0.0.1:1,127.0.0.2:2",
        "ui=off",
        "ui=[::1]:0",
        "allow=10.0.0.0/8 192.168.1.7, fd00::/8",
        "connect_to=a.example:443:127.0.0.1:8443",
        "connect_to=[::1]:443:[::1]:8443",
        "connect_to=::127.0.0.1:8443",
        "upstream_client_cert=a.example:/dev/null *.b.example:443:/dev/null",
        "reverse=127.0.0.1:8080=https://a.example:8443",
        "upstream_proxy=socks5h://127.0.0.1:9050",
        "upstream_ca_file=/dev/null",
        "passthrough=*.a.example,[::1]",
        "redact_headers=X-Key_1",
        "playback_match=method path",
        "playback_match=path headers",
        "playback_match=path,header:Accept",
        "upstream_http=2",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        load_set(*state, good[i]);
}

static void assert_client_cert(const char *text, const char *host, int port, const char *file)
{
    struct config_client_cert client_cert;
    assert_int_equal(config_client_cert_parse(text, &client_cert), 0);
    assert_int_equal(client_cert.host_length, strlen(host));
    assert_memory_equal(client_cert.host, host, strlen(host));
    assert_int_equal(client_cert.port, port);
    assert_string_equal(client_cert.file, file);
}

static void test_client_cert_has_host_port_and_file(void **state)
{
    (void)state;
    assert_client_cert("a.example:/me.pem", "a.example", 0, "/me.pem");
    assert_client_cert("*.a.example:8443:/me.pem", "*.a.example", 8443, "/me.pem");
    assert_client_cert("[::1]:443:me:too.pem", "::1", 443, "me:too.pem");
    assert_client_cert("[::1]:443.pem", "::1", 0, "443.pem");
}

static void test_page_that_is_off_has_no_address(void **state)
{
    assert_null(load_set(*state, "ui=off")->ui);
}

static void test_address_that_others_reach_needs_allow(void **state)
{
    struct fixture *fixture = *state;
    assert_file_mistake(fixture, "listen = 127.0.0.1:1\nlisten = 0.0.0.0:1\nlisten = [::1]:1\n",
                        ":2: other machines can reach 0.0.0.0:1; say with \"allow\" which ones "
                        "may");
    assert_set_mistake(fixture, "listen=0.0.0.0:1",
                       "--set listen=0.0.0.0:1: other machines can reach 0.0.0.0:1; say with "
                       "\"allow\" which ones may");
    assert_set_mistake(fixture, "ui=[::]:1",
                       "--set ui=[::]:1: other machines can reach [::]:1; say with \"allow\" "
                       "which ones may");
    assert_set_mistake(fixture, "reverse=0.0.0.0:1=http://a.example",
                       "--set reverse=0.0.0.0:1=http://a.example: other machines can reach "
                       "0.0.0.0:1=http://a.example; say with \"allow\" which ones may");
    assert_non_null(load(fixture, NULL, LISTED("listen=0.0.0.0:1", "allow=10.0.0.0/8"), 2));
}

static void test_named_file_that_is_missing_is_a_mistake(void **state)
{
    struct fixture *fixture = *state;
    struct config_sources sources = {.file = "/nonexistent/hark.conf", .environ = fixture->environ};
    assert_null(config_load(&sources, &fixture->err));
    assert_string_equal(fixture->err.text,
                        "config: open /nonexistent/hark.conf: No such file or directory");
}

static void test_file_of_the_home_folder_is_found(void **state)
{
    struct fixture *fixture = *state;
    char folder[128];
    char path[160];
    snprintf(folder, sizeof folder, "%s/hark", fixture->folder);
    snprintf(path, sizeof path, "%s/hark.conf", folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    write_file(path, "via = on\n");
    char variable[128];
    snprintf(variable, sizeof variable, "XDG_CONFIG_HOME=%s", fixture->folder);
    add_environment(fixture, variable);

    struct config *config = load(fixture, NULL, NULL, 0);
    unlink(path);
    rmdir(folder);
    assert_non_null(config);
    assert_true(config->via);
    assert_string_equal(config_file_in_use(config), path);
}

// HOME/.config/hark/hark.conf
static void make_home_file(const struct fixture *fixture, char *path, size_t size, const char *text)
{
    static const char *const folders[] = {".config", ".config/hark"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, size, "%s/%s", fixture->folder, folders[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    snprintf(path, size, "%s/.config/hark/hark.conf", fixture->folder);
    if (text != NULL)
        write_file(path, text);
}

static void remove_home_file(const struct fixture *fixture, const char *path)
{
    char folder[128];
    unlink(path);
    snprintf(folder, sizeof folder, "%s/.config/hark", fixture->folder);
    rmdir(folder);
    snprintf(folder, sizeof folder, "%s/.config", fixture->folder);
    rmdir(folder);
}

static void assert_load_mistake(struct fixture *fixture, const char *known_file, const char *path,
                                const char *expected)
{
    char text[512];
    snprintf(text, sizeof text, "config: %s", expected);
    char *place = strstr(text, "PATH");
    char wanted[sizeof text];
    snprintf(wanted, sizeof wanted, "%.*s%s%s", (int)(place - text), text, path, place + 4);
    struct config_sources sources = {.environ = fixture->environ, .known_file = known_file};
    fixture->err = (struct err){0};
    assert_null(config_load(&sources, &fixture->err));
    assert_string_equal(fixture->err.text, wanted);
}

static void test_file_that_is_there_is_never_passed_over(void **state)
{
    struct fixture *fixture = *state;
    char path[160];
    make_home_file(fixture, path, sizeof path, NULL);
    const char *mend = "; make it readable, or name another with --config";
    char expected[160];
    assert_int_equal(symlink("nowhere", path), 0);
    snprintf(expected, sizeof expected, "open PATH: No such file or directory%s", mend);
    assert_load_mistake(fixture, NULL, path, expected);
    unlink(path);
    assert_int_equal(symlink("hark.conf", path), 0);
    snprintf(expected, sizeof expected, "open PATH: Too many levels of symbolic links%s", mend);
    assert_load_mistake(fixture, NULL, path, expected);
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_load_mistake(fixture, NULL, path, "open PATH: no regular file");
    remove_home_file(fixture, path);
}

static void test_file_that_was_read_has_to_be_there_at_a_reload(void **state)
{
    struct fixture *fixture = *state;
    char path[160];
    make_home_file(fixture, path, sizeof path, NULL);
    assert_load_mistake(fixture, path, path,
                        "PATH, which was read before, is gone; put it back (it may be empty), or "
                        "restart hark");
    write_file(path, "via = on\n");
    struct config_sources sources = {.environ = fixture->environ, .known_file = path};
    fixture->err = (struct err){0};
    fixture->config = config_load(&sources, &fixture->err);
    assert_non_null(fixture->config);
    remove_home_file(fixture, path);
}

static void test_pipe_is_read_once(void **state)
{
    struct fixture *fixture = *state;
    int ends[2];
    char path[32];
    assert_int_equal(pipe(ends), 0);
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    assert_int_equal(write(ends[1], "via = on\n", 9), 9);
    close(ends[1]);
    struct config_sources sources = {.file = path, .environ = fixture->environ};
    fixture->config = config_load(&sources, &fixture->err);
    assert_non_null(fixture->config);
    assert_true(fixture->config->via);
    sources.known_file = path;
    assert_null(config_load(&sources, &fixture->err));
    assert_non_null(strstr(fixture->err.text, "no regular file, which could be read again"));
    close(ends[0]);
}

static void test_zero_byte_is_a_mistake(void **state)
{
    struct fixture *fixture = *state;
    static const char text[] = "via = on\n\0redact_query = token\n";
    FILE *file = fopen(fixture->file, "w");
    fwrite(text, 1, sizeof text - 1, file);
    fclose(file);
    struct config_sources sources = {.file = fixture->file, .environ = fixture->environ};
    assert_null(config_load(&sources, &fixture->err));
    assert_string_equal(fixture->err.text + strlen(fixture->file), ":2: a zero byte");
}

static void assert_changes(const struct config *running, const struct config *reloaded,
                           const char *changed, const char *restart)
{
    struct buffer keys = {0};
    config_append_changes(running, reloaded, false, &keys);
    assert_string_equal(keys.length > 0 ? keys.data : "", changed);
    buffer_clear(&keys);
    config_append_changes(running, reloaded, true, &keys);
    assert_string_equal(keys.length > 0 ? keys.data : "", restart);
    buffer_fini(&keys);
}

static void test_reload_tells_what_changes_and_what_takes_a_restart(void **state)
{
    struct fixture *fixture = *state;
    struct err err = {0};
    struct config *old = config_load(&(struct config_sources){0}, &err);
    assert_non_null(old);
    assert_changes(old, old, "", "");
    assert_changes(old, load_set(fixture, "mode=off"), "mode", "");
    assert_changes(old, load_set(fixture, "mode=playback"), "", "mode");
    assert_changes(old, load_set(fixture, "workers=2"), "", "workers");
    config_release(old);
}

static void test_what_takes_a_restart_keeps_its_value(void **state)
{
    struct fixture *fixture = *state;
    const char *sets[] = {"workers=3", "db=/a/b.db", "mode=playback", "via=on",
                          "playback_match=method path"};
    struct err err = {0};
    struct config_sources sources = {.sets = sets, .set_count = 5};
    struct config *running = config_load(&sources, &err);
    assert_non_null(running);
    struct config *reloaded = load_set(fixture, "mode=record");
    config_keep_fixed(running, reloaded);
    assert_changes(running, reloaded, "via", "");
    config_release(running);
    assert_int_equal(reloaded->workers, 3);
    assert_string_equal(reloaded->db, "/a/b.db");
    assert_int_equal(reloaded->mode, CONFIG_MODE_PLAYBACK);
    assert_int_equal(reloaded->playback_match.count, 2);
    assert_string_equal(reloaded->playback_match.items[1], "path");
    assert_string_equal(config_origin(reloaded, "workers"), "--set workers=3");
    assert_false(reloaded->via);
}

static void test_configuration_lives_until_its_last_reference(void **state)
{
    (void)state;
    struct err err = {0};
    struct config *config = config_load(&(struct config_sources){0}, &err);
    assert_non_null(config);
    assert_ptr_equal(config_retain(config), config);
    config_release(config);
    assert_string_equal(config_text(config, "mode"), "record");
    config_release(config);
    config_release(NULL);
}

static void test_example_file_names_every_key_with_its_default(void **state)
{
    struct fixture *fixture = *state;
    struct config_sources sources = {.file = HARK_SOURCE_DIR "/config/hark.conf",
                                     .environ = fixture->environ};
    struct err err = {0};
    struct config *defaults = config_load(&(struct config_sources){0}, &err);
    fixture->config = config_load(&sources, &err);
    if (defaults == NULL || fixture->config == NULL)
        fail_msg("%s", err.text);
    for (size_t i = 0; config_key_at(i) != NULL; i++) {
        const char *key = config_key_at(i);
        if (strcmp(config_origin(fixture->config, key), "default") == 0)
            fail_msg("%s is missing in the example", key);
        assert_string_equal(config_text(fixture->config, key), config_text(defaults, key));
    }
    config_release(defaults);
}

static void assert_data_dir(const char *flag, char *const *environment, const char *expected)
{
    struct err err = {0};
    char *folder = config_data_dir(flag, environment, &err);
    if (expected == NULL)
        assert_null(folder);
    else
        assert_string_equal(folder, expected);
    free(folder);
}

static void test_data_folder_is_flag_then_environment_then_home(void **state)
{
    (void)state;
    char own[] = "HARK_DATA_DIR=/own";
    char xdg[] = "XDG_DATA_HOME=/xdg";
    char relative_xdg[] = "XDG_DATA_HOME=xdg";
    char home[] = "HOME=/home/me";
    assert_data_dir("/flag", (char *[]){own, xdg, home, NULL}, "/flag");
    assert_data_dir(NULL, (char *[]){own, xdg, home, NULL}, "/own");
    assert_data_dir(NULL, (char *[]){xdg, home, NULL}, "/xdg/hark");
    assert_data_dir(NULL, (char *[]){relative_xdg, home, NULL}, "/home/me/.local/share/hark");
    assert_data_dir(NULL, (char *[]){NULL}, NULL);
}

static void test_recording_is_in_the_data_folder_unless_named(void **state)
{
    char *path = config_db_path(load(*state, NULL, NULL, 0), "/data");
    assert_string_equal(path, "/data/hark.db");
    free(path);
    path = config_db_path(load_set(*state, "db=/else/where.db"), "/data");
    assert_string_equal(path, "/else/where.db");
    free(path);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_without_sources_every_option_has_its_default),
        CASE(test_file_takes_comments_blank_lines_and_all_types),
        CASE(test_list_grows_by_spaces_commas_repeats_and_indented_lines),
        CASE(test_list_in_a_higher_layer_replaces_the_lower_one),
        CASE(test_empty_value_clears_a_list),
        CASE(test_flag_wins_over_environment_and_that_over_file),
        CASE(test_last_of_two_flags_wins),
        CASE(test_environment_variable_that_is_no_key_or_empty_is_ignored),
        CASE(test_mistake_in_the_environment_names_the_variable),
        CASE(test_unknown_key_is_reported_with_line_and_suggestion),
        CASE(test_flag_without_value_is_a_mistake),
        CASE(test_first_mistake_in_the_file_is_reported),
        CASE(test_line_that_is_too_long_is_refused_with_its_number),
        CASE(test_long_list_takes_little_memory),
        CASE(test_filter_goes_on_in_indented_lines),
        CASE(test_comment_may_be_of_any_length),
        CASE(test_password_is_in_no_message),
        CASE(test_repeated_key_that_is_no_list_is_a_mistake),
        CASE(test_section_is_a_mistake),
        CASE(test_bad_numbers_and_units_are_refused),
        CASE(test_values_of_the_wrong_shape_are_refused),
        CASE(test_values_of_the_right_shape_are_taken),
        CASE(test_client_cert_has_host_port_and_file),
        CASE(test_page_that_is_off_has_no_address),
        CASE(test_address_that_others_reach_needs_allow),
        CASE(test_named_file_that_is_missing_is_a_mistake),
        CASE(test_file_of_the_home_folder_is_found),
        CASE(test_file_that_is_there_is_never_passed_over),
        CASE(test_file_that_was_read_has_to_be_there_at_a_reload),
        CASE(test_pipe_is_read_once),
        CASE(test_zero_byte_is_a_mistake),
        CASE(test_reload_tells_what_changes_and_what_takes_a_restart),
        CASE(test_what_takes_a_restart_keeps_its_value),
        CASE(test_configuration_lives_until_its_last_reference),
        CASE(test_example_file_names_every_key_with_its_default),
        CASE(test_data_folder_is_flag_then_environment_then_home),
        CASE(test_recording_is_in_the_data_folder_unless_named),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
