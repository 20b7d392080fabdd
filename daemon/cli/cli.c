// SPDX-License-Identifier: MIT
// From argv to a command: finds it in the table, sorts its options, gets ready what it needs,
// runs it, and sees to it that what it wrote to standard output has arrived.
#include "hark/cli.h"

#include "command.h"
#include "complete.h"
#include "hark/buffer.h"
#include "hark/mem.h"
#include "hark/suggest.h"
#include "hark/terminal.h"
#include "help.h"
#include "options.h"
#include "pager.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct command *const command_table[] = {
    &command_serve,  &command_run,    &command_env,  &command_ls,      &command_show,
    &command_tail,   &command_stats,  &command_diff, &command_sql,     &command_replay,
    &command_export, &command_import, &command_note, &command_prune,   &command_ca,
    &command_status, &command_doctor, &command_ui,   &command_version, NULL,
};

const struct command *command_find(const char *name)
{
    for (size_t i = 0; command_table[i]; i++)
        if (strcmp(command_table[i]->name, name) == 0)
            return command_table[i];
    return NULL;
}

const char *command_suggest(const char *name)
{
    const char *names[sizeof command_table / sizeof command_table[0]];
    size_t count = 0;
    for (; command_table[count]; count++)
        names[count] = command_table[count]->name;
    return suggest_nearest(name, names, count, sizeof names[0]);
}

static const struct given_option *find_given(const struct invocation *invocation, const char *name,
                                             size_t index)
{
    assert(options_has(invocation->command, name));
    return given_options_find(invocation->given, name, index);
}

bool invocation_has(const struct invocation *invocation, const char *name)
{
    return find_given(invocation, name, 0) != NULL;
}

const char *invocation_value(const struct invocation *invocation, const char *name)
{
    const char *value = NULL;
    const struct given_option *given;
    for (size_t i = 0; (given = find_given(invocation, name, i)); i++)
        value = given->value;
    return value;
}

// A part of hark that is called as the command is has named itself already ("sql: …").
static size_t length_of_name(const char *name, const char *message)
{
    size_t length = strlen(name);
    bool is_named = strncmp(message, name, length) == 0 && strncmp(message + length, ": ", 2) == 0;
    return is_named ? length + 2 : 0;
}

// A command that has one status for all failures has it for what it runs.
static enum status failure_status(const struct invocation *invocation, enum status status)
{
    bool runs_nothing = options_has(invocation->command, "check-config") &&
                        invocation_has(invocation, "check-config");
    enum status one = invocation->command->failure_status;
    return one && !runs_nothing ? one : status;
}

enum status invocation_fail(const struct invocation *invocation, enum status status,
                            const char *format, ...)
{
    struct buffer message = {0};
    va_list args;
    va_start(args, format);
    buffer_vprintf(&message, format, args);
    va_end(args);

    // What was recorded may be part of the message, and stderr may be a terminal.
    const char *name = invocation->command->name;
    size_t said = length_of_name(name, message.data);
    fprintf(stderr, "hark %s: ", name);
    safe_text_write(stderr, message.data + said, message.length - said, SAFE_LINES);
    putc('\n', stderr);
    if (status == STATUS_USAGE)
        fprintf(stderr, "See: hark %s --help\n", name);
    buffer_fini(&message);
    return failure_status(invocation, status);
}

// The flags that stand for a key of the configuration, as "key=value", and `--set`.
static void collect_sets(const struct invocation *invocation, struct arena *arena,
                         struct config_sources *sources)
{
    const struct given_options *given = invocation->given;
    const char **sets = arena_alloc(arena, (given->count + 1) * sizeof *sets);
    for (size_t i = 0; i < given->count; i++) {
        const struct given_option *one = &given->items[i];
        const char *name = one->option->name;
        if (strcmp(name, "set") == 0)
            sets[sources->set_count++] = one->value;
        else if (strcmp(name, "listen") == 0 || strcmp(name, "ui") == 0 ||
                 strcmp(name, "db") == 0 || strcmp(name, "mode") == 0)
            sets[sources->set_count++] = arena_printf(arena, "%s=%s", name, one->value);
        else if (strcmp(name, "session") == 0)
            sets[sources->set_count++] =
                arena_printf(arena, "playback_filter=session:%s", one->value);
    }
    sources->sets = sets;
}

static enum status load_config(struct invocation *invocation, struct arena *arena)
{
    struct err err = {0};
    invocation->sources.file = invocation_value(invocation, "config");
    invocation->sources.environ = environ;
    collect_sets(invocation, arena, &invocation->sources);
    invocation->config = config_load(&invocation->sources, &err);
    if (!invocation->config && !(invocation->command->needs & JUDGES_CONFIG))
        return invocation_fail(invocation, STATUS_USAGE, "%s", err.text);
    invocation->config_mistake = err;
    err = (struct err){0};
    invocation->data_dir = config_data_dir(invocation_value(invocation, "data-dir"),
                                           invocation->sources.environ, &err);
    if (!invocation->data_dir)
        return invocation_fail(invocation, STATUS_USAGE, "%s", err.text);
    if (invocation->config)
        invocation->db_path = config_db_path(invocation->config, invocation->data_dir);
    return STATUS_DONE;
}

enum status invocation_filter(const struct invocation *invocation, struct filter **filter)
{
    struct err err = {0};
    *filter = NULL;
    if (invocation->word_count == 0)
        return STATUS_DONE;
    *filter = filter_create((const char *const *)invocation->words, invocation->word_count, &err);
    return *filter ? STATUS_DONE : invocation_fail(invocation, STATUS_USAGE, "%s", err.text);
}

enum status invocation_open_recording(struct invocation *invocation)
{
    struct err err = {0};
    invocation->reader = store_reader_open(invocation->db_path, &err);
    if (!invocation->reader)
        return invocation_fail(invocation, STATUS_FAILED, "%s", err.text);
    return STATUS_DONE;
}

static bool has_reader_gone(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    return poll(&out, 1, 0) > 0 && (out.revents & (POLLERR | POLLHUP));
}

// Why standard output failed; 0 if all of it was written.
static int find_output_error(void)
{
    bool has_failed = ferror(stdout);
    if (fflush(stdout) != 0)
        return errno;
    if (!has_failed)
        return 0;
    if (has_reader_gone())
        return EPIPE;
    // It failed earlier and took the reason with it. The output is broken anyway, so one more
    // byte does no harm and fails for the same reason.
    clearerr(stdout);
    return putc('\n', stdout) == EOF || fflush(stdout) != 0 ? errno : EIO;
}

// A reader that went away (`hark ls | head`) is no failure; a full disk behind stdout is.
static enum status finish_output(enum status status)
{
    int why = find_output_error();
    if (why == 0)
        return status;
    if (why == EPIPE)
        return STATUS_DONE;
    fprintf(stderr, "hark: write to standard output: %s\n", strerror(why));
    return STATUS_FAILED;
}

static enum status run_command(struct invocation *invocation, struct arena *arena)
{
    unsigned needs = invocation->command->needs;
    enum status status = STATUS_DONE;
    if (needs & (NEEDS_CONFIG | NEEDS_RECORDING))
        status = load_config(invocation, arena);
    if (status == STATUS_DONE)
        status = invocation->command->run(invocation);
    status = finish_output(status);
    pager_finish(invocation->pager);
    return status;
}

// "-host:x" and "-(a" are filter words, not options.
static bool is_negated_word(const char *word)
{
    size_t letters = *word == '-' ? strspn(word + 1, "abcdefghijklmnopqrstuvwxyz") : 0;
    return letters > 0 ? word[1 + letters] == ':' : strncmp(word, "-(", 2) == 0;
}

// A space before them hides them from getopt_long(). What follows "--" stays.
static char **hide_negations(struct arena *arena, int argc, char **argv)
{
    char **words = arena_alloc(arena, ((size_t)argc + 1) * sizeof *words);
    bool is_past_options = false;
    for (int i = 0; i < argc; i++) {
        is_past_options = is_past_options || strcmp(argv[i], "--") == 0;
        bool is_negated = !is_past_options && is_negated_word(argv[i]);
        words[i] = is_negated ? arena_printf(arena, " %s", argv[i]) : argv[i];
    }
    return words;
}

static void show_negations(char **words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        words[i] += words[i][0] == ' ' && is_negated_word(words[i] + 1);
}

static enum status start_command(const struct command *command, const char *command_line, int argc,
                                 char **argv, sighandler_t sigpipe_handler)
{
    struct arena arena = {0};
    if (command->needs & TAKES_FILTER)
        argv = hide_negations(&arena, argc, argv);
    struct given_options given = {0};
    struct invocation invocation = {.command = command,
                                    .given = &given,
                                    .command_line = command_line,
                                    .sigpipe_handler = sigpipe_handler};
    struct err err = {0};
    enum status status;

    int first_word;
    if (options_parse(command, argc, argv, &given, &first_word, &err) < 0) {
        status = invocation_fail(&invocation, STATUS_USAGE, "%s", err.text);
        goto out;
    }
    invocation.words = argv + first_word;
    invocation.word_count = (size_t)(argc - first_word);
    if (command->needs & TAKES_FILTER)
        show_negations(invocation.words, invocation.word_count);
    if (invocation_has(&invocation, "help")) {
        help_print_command(command);
        status = finish_output(STATUS_DONE);
        goto out;
    }
    status = run_command(&invocation, &arena);

out:
    store_reader_close(invocation.reader);
    config_release(invocation.config);
    free(invocation.db_path);
    free(invocation.data_dir);
    given_options_fini(&given);
    arena_fini(&arena);
    return status;
}

static char *join_words(int argc, char **argv)
{
    struct buffer line = {0};
    for (int i = 0; i < argc; i++) {
        if (i > 0)
            buffer_append_char(&line, ' ');
        buffer_append_text(&line, argv[i]);
    }
    return buffer_take(&line);
}

static enum status fail_unknown_command(const char *name)
{
    const char *near = command_suggest(name);
    fprintf(stderr, "hark: there is no command \"%s\"", name);
    if (near)
        fprintf(stderr, "; did you mean \"hark %s\"?", near);
    fprintf(stderr, "\nSee: hark help\n");
    return STATUS_USAGE;
}

static enum status run_help(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--complete") == 0) {
        complete_print((size_t)argc - 2, argv + 2);
        return finish_output(STATUS_DONE);
    }
    const struct command *command = argc > 1 ? command_find(argv[1]) : NULL;
    if (argc > 1 && !command)
        return fail_unknown_command(argv[1]);
    if (command)
        help_print_command(command);
    else
        help_print_all();
    return finish_output(STATUS_DONE);
}

static bool is_any(const char *word, const char *a, const char *b, const char *c)
{
    return strcmp(word, a) == 0 || strcmp(word, b) == 0 || strcmp(word, c) == 0;
}

// A descriptor 0, 1 or 2 that is closed would become that of the next file opened, and then be
// written to. /dev/null the wrong way round keeps the place and still fails.
static void keep_standard_descriptors(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

int cli_main(int argc, char **argv)
{
    keep_standard_descriptors();
    // What hark writes is UTF-8 whatever the locale says; this is for wcwidth() and friends.
    setlocale(LC_CTYPE, "C.UTF-8");
    sighandler_t sigpipe_handler = signal(SIGPIPE, SIG_IGN);

    if (argc < 2) {
        help_print_all();
        return STATUS_USAGE;
    }
    if (is_any(argv[1], "help", "--help", "-h"))
        return (int)run_help(argc - 1, argv + 1);
    const char *name = is_any(argv[1], "version", "--version", "-V") ? "version" : argv[1];
    const struct command *command = command_find(name);
    if (!command)
        return (int)fail_unknown_command(name);

    char *command_line = join_words(argc, argv);
    enum status status = start_command(command, command_line, argc - 1, argv + 1, sigpipe_handler);
    free(command_line);
    return (int)status;
}
