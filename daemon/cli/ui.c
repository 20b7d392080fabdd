// SPDX-License-Identifier: MIT
// hark ui: where the page is, with the token that lets a browser in.
#include "command.h"
#include "daemon_client.h"
#include "file.h"
#include "hark/control.h"
#include "hark/mem.h"
#include "hark/terminal.h"
#include "program.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAY_IN_NAME "open-page.html" // in the data folder

// The token without its line end; NULL with err. The caller frees it.
static char *read_token(const char *data_dir, struct err *err)
{
    char *path = mem_printf("%s/" CONTROL_TOKEN_NAME, data_dir);
    struct buffer text = {0};
    char *token = NULL;
    if (file_read(path, &text, err) == 0)
        token = mem_strndup(text.data ? text.data : "", text.data ? strcspn(text.data, "\n") : 0);
    buffer_fini(&text);
    free(path);
    return token;
}

// --- opening it ----------------------------------------------------------------------------------

static bool has_display(void)
{
    const char *x11 = getenv("DISPLAY");
    const char *wayland = getenv("WAYLAND_DISPLAY");
    return (x11 && *x11) || (wayland && *wayland);
}

// Some browsers stay in the foreground of what starts them, so nobody waits for it, and it gets a
// session of its own: Ctrl-C in this terminal is not for it.
static void start_opener(const char *opener, const char *path)
{
    char *const argv[] = {(char *)opener, (char *)path, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    pid_t pid;
    posix_spawn(&pid, opener, &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
}

// Everybody on the machine can read the arguments of a program, so the browser gets the address in
// a file that is as private as the token's own. The port and the token need no escaping.
static int write_way_in(const char *path, const char *url, struct err *err)
{
    struct buffer page = {0};
    buffer_printf(&page,
                  "<!doctype html>\n<meta charset=\"utf-8\">\n<title>hark</title>\n"
                  "<meta name=\"referrer\" content=\"no-referrer\">\n"
                  "<meta http-equiv=\"refresh\" content=\"0; url=%s\">\n"
                  "<p><a href=\"%s\">hark's page</a></p>\n",
                  url, url);
    int rc = file_replace(path, &page, 0600, err);
    buffer_fini(&page);
    return rc;
}

static int open_in_browser(const char *data_dir, const char *url, struct err *err)
{
    char *opener = program_find("xdg-open");
    char *path = mem_printf("%s/" WAY_IN_NAME, data_dir);
    int rc = 0;
    if (opener != NULL)
        rc = write_way_in(path, url, err);
    if (opener != NULL && rc == 0)
        start_opener(opener, path);
    free(path);
    free(opener);
    return rc;
}

// --- the command ---------------------------------------------------------------------------------

static enum status show_page(const struct invocation *invocation, const char *page)
{
    struct err err = {0};
    char *token = read_token(invocation->data_dir, &err);
    if (!token)
        return invocation_fail(invocation, STATUS_FAILED, "%s", err.text);
    enum status status = STATUS_DONE;
    char *url = mem_printf("%s/?token=%s", page, token);
    printf("%s\n", url);
    if (!invocation_has(invocation, "print") && terminal_of(STDOUT_FILENO).is_terminal &&
        has_display() && open_in_browser(invocation->data_dir, url, &err) != 0)
        status = invocation_fail(invocation, STATUS_FAILED, "%s", err.text);
    free(url);
    free(token);
    return status;
}

static enum status run(struct invocation *invocation)
{
    if (invocation->word_count > 0)
        return invocation_fail(invocation, STATUS_USAGE, "unexpected argument \"%s\"",
                               invocation->words[0]);
    const char *given_dir = invocation_value(invocation, "data-dir");
    struct err err = {0};
    json_t *daemon = NULL;
    enum daemon_answer answer = daemon_get(invocation->data_dir, "/api/v1/status", &daemon, &err);
    if (answer == DAEMON_ABSENT)
        return invocation_fail(invocation, STATUS_UNREACHABLE,
                               "no daemon serves from %s; start one with: hark serve%s%s",
                               invocation->data_dir, given_dir ? " --data-dir " : "",
                               given_dir ? given_dir : "");
    if (answer == DAEMON_FAILED)
        return invocation_fail(invocation, STATUS_UNREACHABLE, "%s", err.text);

    const char *page = json_string_value(json_object_get(daemon, "page"));
    enum status status =
        page ? show_page(invocation, page)
             : invocation_fail(invocation, STATUS_FAILED,
                               "the daemon has no page (ui = off); start it with: hark serve "
                               "--ui 127.0.0.1:4276");
    json_decref(daemon);
    return status;
}

static const struct command_option options[] = {
    {"print", 0, NULL, "only print the address"},
    {NULL, 0, NULL, NULL},
};

const struct command command_ui = {
    .name = "ui",
    .summary = "the address of the page, opened in a browser",
    .help = "Prints the address of the running daemon's page with the token that lets a browser\n"
            "in, and on a terminal with a display opens it. Whoever has this address can read\n"
            "the recording. Exit status 4 says that no daemon answers.\n",
    .options = options,
    .needs = NEEDS_CONFIG,
    .run = run,
};
