// SPDX-License-Identifier: MIT
// getopt_long() driven by the command table: the tables it wants are made from our own, which
// also carry the help texts.
#include "options.h"

#include "hark/mem.h"
#include "hark/suggest.h"

#include <assert.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS_MAX     40
#define LONG_VALUE_BASE 256 // above every letter

static const struct command_option common_options[] = {
    {"data-dir", 0, "DIR", "the data folder (default: ~/.local/share/hark)"},
    {"config", 0, "FILE", "read this file of settings"},
    {"help", 'h', NULL, "show this help"},
    {NULL, 0, NULL, NULL},
};

static const struct command_option recording_options[] = {
    {"db", 0, "FILE", "read this recording"},
    {NULL, 0, NULL, NULL},
};

static const struct command_option rows_options[] = {
    {"output", 'o', "FORMAT",
     "table, tsv, jsonl or csv (default: table on a\n"
     "terminal, tsv in a pipe)"},
    {"json", 0, NULL, "the same as -o jsonl"},
    {NULL, 0, NULL, NULL},
};

static void walk_list(const struct command_option *list,
                      void (*visit)(void *ctx, const struct command_option *option), void *ctx)
{
    for (; list && list->name; list++)
        visit(ctx, list);
}

void options_walk(const struct command *command,
                  void (*visit)(void *ctx, const struct command_option *option), void *ctx)
{
    walk_list(command->options, visit, ctx);
    if (command->needs & PRINTS_ROWS)
        walk_list(rows_options, visit, ctx);
    if (command->needs & NEEDS_RECORDING)
        walk_list(recording_options, visit, ctx);
    walk_list(common_options, visit, ctx);
}

struct name_search {
    const char *name;
    bool is_found;
};

static void compare_name(void *ctx, const struct command_option *option)
{
    struct name_search *search = ctx;
    search->is_found |= strcmp(option->name, search->name) == 0;
}

bool options_has(const struct command *command, const char *name)
{
    struct name_search search = {.name = name};
    options_walk(command, compare_name, &search);
    return search.is_found;
}

// The tables of getopt_long() for one command.
struct getopt_tables {
    const struct command_option *options[OPTIONS_MAX];
    struct option longs[OPTIONS_MAX + 1];
    char letters[3 * OPTIONS_MAX + 3];
    size_t count;
};

static void add_to_tables(void *ctx, const struct command_option *option)
{
    struct getopt_tables *tables = ctx;
    assert(tables->count < OPTIONS_MAX);
    size_t i = tables->count++;
    tables->options[i] = option;
    tables->longs[i].name = option->name;
    tables->longs[i].has_arg = option->argument ? required_argument : no_argument;
    tables->longs[i].val = LONG_VALUE_BASE + (int)i;
    if (option->letter) {
        size_t end = strlen(tables->letters);
        tables->letters[end] = option->letter;
        if (option->argument)
            tables->letters[end + 1] = ':';
    }
}

static const struct command_option *find_value(const struct getopt_tables *tables, int value)
{
    if (value >= LONG_VALUE_BASE)
        return tables->options[value - LONG_VALUE_BASE];
    for (size_t i = 0; i < tables->count; i++)
        if (tables->options[i]->letter == value)
            return tables->options[i];
    return NULL;
}

static void add_given(struct given_options *given, const struct command_option *option,
                      const char *value)
{
    given->items = mem_realloc(given->items, (given->count + 1) * sizeof *given->items);
    given->items[given->count++] = (struct given_option){option, value};
}

// The first letter in a word of letters ("-abc") that is no option; 0 if there is none.
static char unknown_letter(const struct getopt_tables *tables, const char *word)
{
    if (word[0] != '-' || word[1] == '-')
        return '\0';
    for (const char *letter = word + 1; *letter != '\0'; letter++) {
        const struct command_option *option = find_value(tables, *letter);
        if (option == NULL)
            return *letter;
        if (option->argument)
            break;
    }
    return '\0';
}

static int fail_unknown(const struct getopt_tables *tables, const char *word, struct err *err)
{
    if (strncmp(word, "--", 2) != 0)
        return err_set(err, "unknown option \"%s\" (a word that begins with - goes after --)",
                       word);
    const char *near =
        suggest_nearest(word + 2, tables->longs, tables->count, sizeof tables->longs[0]);
    if (near)
        return err_set(err, "unknown option \"%s\"; did you mean \"--%s\"?", word, near);
    return err_set(err, "unknown option \"%s\"", word);
}

int options_parse(const struct command *command, int argc, char **argv, struct given_options *given,
                  int *first_word, struct err *err)
{
    struct getopt_tables tables = {.letters = ":"};
    if (command->needs & TAKES_COMMAND)
        strcpy(tables.letters, "+:");
    options_walk(command, add_to_tables, &tables);

    opterr = 0;
    optind = 0; // starts afresh, whatever was parsed before
    int value;
    while ((value = getopt_long(argc, argv, tables.letters, tables.longs, NULL)) != -1) {
        const char *word = argv[optind - 1];
        if (value == ':')
            return err_set(err, "option \"%s\" wants an argument", word);
        if (value == '?' && optopt >= LONG_VALUE_BASE)
            return err_set(err, "option \"--%s\" takes no argument",
                           find_value(&tables, optopt)->name);
        // getopt_long() goes on to the next word only after the last letter of one.
        if (value == '?' && optopt != 0 && unknown_letter(&tables, word) != (char)optopt)
            word = argv[optind];
        if (value == '?')
            return fail_unknown(&tables, word, err);
        add_given(given, find_value(&tables, value), optarg);
    }
    *first_word = optind;
    return 0;
}

void given_options_fini(struct given_options *given)
{
    free(given->items);
    *given = (struct given_options){0};
}

const struct given_option *given_options_find(const struct given_options *given, const char *name,
                                              size_t index)
{
    for (size_t i = 0; i < given->count; i++)
        if (strcmp(given->items[i].option->name, name) == 0 && index-- == 0)
            return &given->items[i];
    return NULL;
}
