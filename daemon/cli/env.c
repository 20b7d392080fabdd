// SPDX-License-Identifier: MIT
// hark env: what `hark run` sets, for a shell to take over, with the running daemon's own address.
#include "client_env.h"
#include "client_files.h"
#include "command.h"
#include "daemon_client.h"
#include "data_dir.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum shell {
    SHELL_SH,
    SHELL_FISH,
    SHELL_JSON
};

static int parse_shell(const char *name, enum shell *shell)
{
    static const char *const names[] = {"sh", "fish", "json"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) != 0)
            continue;
        *shell = (enum shell)i;
        return 0;
    }
    return -1;
}

// In single quotes everything stands for itself, but for the quote; in fish also the backslash.
static void print_quoted(const char *text, enum shell shell)
{
    putchar('\'');
    for (; *text; text++) {
        if (*text == '\'')
            fputs(shell == SHELL_FISH ? "\\'" : "'\\''", stdout);
        else if (*text == '\\' && shell == SHELL_FISH)
            fputs("\\\\", stdout);
        else
            putchar(*text);
    }
    putchar('\'');
}

static void print_json(const struct client_env *env)
{
    json_t *object = json_object();
    for (size_t i = 0; i < env->count; i++)
        json_object_set_new(object, env->items[i].name, json_string(env->items[i].value));
    json_dumpf(object, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(object);
}

static void print_env(const struct client_env *env, enum shell shell)
{
    if (shell == SHELL_JSON) {
        print_json(env);
        return;
    }
    for (size_t i = 0; i < env->count; i++) {
        if (shell == SHELL_FISH)
            printf("set -gx %s ", env->items[i].name);
        else
            printf("export %s=", env->items[i].name);
        print_quoted(env->items[i].value, shell);
        putchar('\n');
    }
}

static enum status print_for(struct invocation *invocation, const char *proxy, enum shell shell)
{
    struct err err = {0};
    struct client_files files;
    struct client_env env;
    struct log *log =
        log_create_for_command(STDERR_FILENO, LOG_LEVEL_WARN, invocation->command->name);
    enum status status = STATUS_DONE;
    if (client_files_make(invocation->data_dir, log, &files, &err) < 0) {
        status = invocation_fail(invocation, STATUS_FAILED, "%s", err.text);
    } else {
        client_env_make(&env, proxy, &files, environ);
        print_env(&env, shell);
        client_env_fini(&env);
    }
    client_files_fini(&files);
    log_destroy(log);
    return status;
}

static enum status run(struct invocation *invocation)
{
    if (invocation->word_count > 0)
        return invocation_fail(invocation, STATUS_USAGE, "unexpected argument \"%s\"",
                               invocation->words[0]);
    enum shell shell = SHELL_SH;
    const char *name = invocation_value(invocation, "shell");
    if (name && parse_shell(name, &shell) < 0)
        return invocation_fail(invocation, STATUS_USAGE,
                               "--shell takes sh, fish or json, not \"%s\"", name);

    struct err err = {0};
    struct daemon_info daemon;
    switch (daemon_find(invocation->data_dir, &daemon, &err)) {
    case DAEMON_ABSENT:
        return invocation_fail(invocation, STATUS_UNREACHABLE,
                               "no daemon serves from %s; start one with: hark serve "
                               "(or use hark run, which starts its own)",
                               invocation->data_dir);
    case DAEMON_FAILED:
        return invocation_fail(invocation, STATUS_UNREACHABLE, "%s", err.text);
    case DAEMON_ANSWERED:
        break;
    }
    if (daemon.is_ending) {
        daemon_info_fini(&daemon);
        return invocation_fail(invocation, STATUS_UNREACHABLE,
                               "the daemon of %s is about to end and takes no more requests",
                               invocation->data_dir);
    }
    enum status status = print_for(invocation, daemon.proxy, shell);
    if (status == STATUS_DONE && daemon.wants_login)
        fprintf(stderr,
                "hark env: this daemon wants a login (proxy_auth): put USER:PASSWORD@ before %s in "
                "the variables, or use hark run\n",
                daemon.proxy);
    daemon_info_fini(&daemon);
    return status;
}

static const struct command_option options[] = {
    {"shell", 0, "SHELL", "sh, fish or json (default: sh)"},
    {NULL, 0, NULL, NULL},
};

const struct command command_env = {
    .name = "env",
    .summary = "print the environment that lets programs use the running daemon",
    .help =
        "Prints the variables that \"hark run\" sets, for the daemon that serves from the data\n"
        "folder: programs started with them use it as their proxy and trust its certificate\n"
        "authority. Lists such as NO_PROXY and NODE_OPTIONS keep what they hold already.\n"
        "Exit status 4 says that no daemon runs.\n"
        "\n"
        "Examples:\n"
        "  eval \"$(hark env)\"\n"
        "  hark env --shell fish | source\n"
        "  hark env --shell json | jq -r .SSL_CERT_FILE\n",
    .options = options,
    .needs = NEEDS_CONFIG,
    .run = run,
};
