// SPDX-License-Identifier: MIT
// hark ca: the local certificate authority, and making it known beyond what `hark run` does.
//
// Installing is running the commands of each place, each said first; so what hark may not do itself
// can be done by hand with the very same commands.
#include "ca_certificate.h"
#include "ca_places.h"
#include "command.h"
#include "data_dir.h"
#include "hark/buffer.h"
#include "hark/terminal.h"
#include "program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void print_line(const char *name, const char *value)
{
    printf("%-12s ", name);
    safe_text_write(stdout, value, strlen(value), SAFE_LINE);
    putchar('\n');
}

static void append_date(struct buffer *text, time_t when)
{
    struct tm parts;
    char date[16];
    strftime(date, sizeof date, "%Y-%m-%d", gmtime_r(&when, &parts));
    buffer_append_text(text, date);
}

// --- path, show --------------------------------------------------------------------------------

static enum status print_path(const struct invocation *invocation,
                              const struct ca_certificate *certificate)
{
    (void)invocation;
    puts(certificate->path);
    return STATUS_DONE;
}

static enum status show(const struct invocation *invocation,
                        const struct ca_certificate *certificate)
{
    (void)invocation;
    struct ca_places places;
    struct buffer text = {0};
    print_line("subject", certificate->subject);
    print_line("file", certificate->path);
    print_line("sha-256", certificate->fingerprint);
    append_date(&text, certificate->valid_from);
    buffer_append_text(&text, " to ");
    append_date(&text, certificate->valid_until);
    print_line("valid", text.data);

    print_line("trusted by", "programs under hark run and hark env");
    ca_places_find(&places, certificate);
    for (size_t i = 0; i < places.count; i++) {
        const struct ca_place *place = &places.items[i];
        buffer_clear(&text);
        buffer_printf(&text, "%s: %s%s", place->name, ca_place_trusts(place) ? "" : "not by ",
                      place->path);
        print_line("", text.data);
    }
    ca_places_fini(&places);
    buffer_fini(&text);
    return STATUS_DONE;
}

// --- install, uninstall ------------------------------------------------------------------------

enum outcome {
    OUTCOME_DONE,
    OUTCOME_IMPOSSIBLE, // said why, and what to do
    OUTCOME_FAILED
};

struct change {
    bool is_install;
    bool is_dry; // only say what would be done
};

static void append_shell_word(struct buffer *line, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "-_./:=+@";
    bool is_plain = *word && strspn(word, plain) == strlen(word);
    if (!is_plain)
        buffer_append_char(line, '\'');
    for (; *word; word++) {
        if (*word == '\'')
            buffer_append_text(line, "'\\'");
        buffer_append_char(line, *word);
    }
    if (!is_plain)
        buffer_append_char(line, '\'');
}

static void say_command(ca_command command, const char *before)
{
    struct buffer line = {0};
    buffer_printf(&line, "    %s", before);
    for (size_t i = 0; command[i]; i++) {
        if (i > 0)
            buffer_append_char(&line, ' ');
        append_shell_word(&line, command[i]);
    }
    safe_text_write(stdout, line.data, line.length, SAFE_LINE);
    putchar('\n');
    fflush(stdout);
    buffer_fini(&line);
}

static enum outcome run_commands(const ca_command *commands)
{
    struct err err = {0};
    for (; *commands; commands++) {
        say_command(*commands, "");
        if (program_run(*commands, NULL, &err) == 0)
            continue;
        printf("    failed: %s\n", err.text);
        return OUTCOME_FAILED;
    }
    return OUTCOME_DONE;
}

static enum outcome change_place(const struct ca_place *place, const struct change *change)
{
    const ca_command *commands = change->is_install ? place->install : place->uninstall;
    bool is_there = ca_place_trusts(place);
    printf("%s: %s", place->name, place->path);
    if (place->mend) {
        printf(": not %s: %s\n", change->is_install ? "installed" : "looked at", place->mend);
        return change->is_install && !change->is_dry ? OUTCOME_IMPOSSIBLE : OUTCOME_DONE;
    }
    if (is_there == change->is_install) {
        printf(": %s\n", is_there ? "has it already" : "does not have it");
        return OUTCOME_DONE;
    }
    if (change->is_dry || place->needs_root) {
        printf(": %s\n", place->needs_root ? "needs root; run:" : "would run:");
        for (; *commands; commands++)
            say_command(*commands, place->needs_root ? "sudo " : "");
        return change->is_dry ? OUTCOME_DONE : OUTCOME_IMPOSSIBLE;
    }
    putchar('\n');
    return run_commands(commands);
}

// Root has an authority of its own, which is hardly the one that is meant.
static bool is_other_users(const struct invocation *invocation)
{
    const char *data_dir = getenv("HARK_DATA_DIR");
    return geteuid() == 0 && getenv("SUDO_USER") && !invocation_has(invocation, "data-dir") &&
           !(data_dir && *data_dir);
}

static enum status change(const struct invocation *invocation,
                          const struct ca_certificate *certificate, bool is_install)
{
    if (is_other_users(invocation))
        return invocation_fail(invocation, STATUS_USAGE,
                               "under sudo this is root's authority, %s; run \"hark ca %s\" as %s, "
                               "which says what needs sudo, or give --data-dir",
                               certificate->path, invocation->words[0], getenv("SUDO_USER"));
    const struct change wanted = {is_install, invocation_has(invocation, "dry-run")};
    struct ca_places places;
    bool is_complete = true;
    ca_places_find(&places, certificate);
    for (size_t i = 0; i < places.count; i++)
        is_complete &= change_place(&places.items[i], &wanted) == OUTCOME_DONE;
    ca_places_fini(&places);
    return is_complete ? STATUS_DONE : STATUS_FAILED;
}

static enum status install(const struct invocation *invocation,
                           const struct ca_certificate *certificate)
{
    return change(invocation, certificate, true);
}

static enum status uninstall(const struct invocation *invocation,
                             const struct ca_certificate *certificate)
{
    return change(invocation, certificate, false);
}

// --- the command -------------------------------------------------------------------------------

static const struct action {
    const char *name;
    enum status (*run)(const struct invocation *invocation,
                       const struct ca_certificate *certificate);
} actions[] = {
    {"path", print_path},
    {"show", show},
    {"install", install},
    {"uninstall", uninstall},
};

static const struct action *find_action(const struct invocation *invocation)
{
    const char *name = invocation->word_count > 0 ? invocation->words[0] : "show";
    for (size_t i = 0; i < sizeof actions / sizeof actions[0] && invocation->word_count <= 1; i++)
        if (strcmp(actions[i].name, name) == 0)
            return &actions[i];
    return NULL;
}

static enum status run(struct invocation *invocation)
{
    const struct action *action = find_action(invocation);
    if (!action)
        return invocation_fail(invocation, STATUS_USAGE,
                               "say one of path, show, install and uninstall");
    struct err err = {0};
    struct ca_certificate certificate = {0};
    struct log *log =
        log_create_for_command(STDERR_FILENO, LOG_LEVEL_ERROR, invocation->command->name);
    enum status status = data_dir_make(invocation->data_dir, log, &err) == 0 &&
                                 ca_certificate_load(invocation->data_dir, &certificate, &err) == 0
                             ? action->run(invocation, &certificate)
                             : invocation_fail(invocation, STATUS_FAILED, "%s", err.text);
    ca_certificate_fini(&certificate);
    log_destroy(log);
    return status;
}

static const struct command_option options[] = {
    {"dry-run", 0, NULL, "only say what install or uninstall would do"},
    {NULL, 0, NULL, NULL},
};

const struct command command_ca = {
    .name = "ca",
    .arguments = "[path|show|install|uninstall]",
    .summary = "the local certificate authority, and who trusts it",
    .help = "hark reads HTTPS by issuing certificates itself, from an authority that is made on\n"
            "first use and never leaves the data folder. Programs started with \"hark run\" trust\n"
            "it without any of this.\n"
            "\n"
            "  path       print where its certificate is, for --cacert and the like\n"
            "  show       what it is, and where it is trusted (without a word: this)\n"
            "  install    make it known to the system (Debian's update-ca-certificates; needs\n"
            "             root), to Firefox and Chromium (certutil) and to Java (keytool)\n"
            "  uninstall  undo that\n"
            "\n"
            "Each step is said before it is done; what cannot be done is said with the way to do\n"
            "it by hand, and makes the exit status 1. Browsers notice when they are started.\n"
            "\n"
            "Examples:\n"
            "  hark ca install --dry-run\n"
            "  curl --cacert \"$(hark ca path)\" -x http://127.0.0.1:4275 https://example.com/\n",
    .options = options,
    .needs = NEEDS_CONFIG,
    .run = run,
};
