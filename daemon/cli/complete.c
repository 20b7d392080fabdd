// SPDX-License-Identifier: MIT
// Everything that can be known is taken from the tables that also do the work: commands and their
// options, keys of the configuration, words of the filter language.
#include "complete.h"

#include "command.h"
#include "options.h"

#include <stdio.h>
#include <string.h>

// What is being typed; `before` is the part of the word that stays ("--mode=").
struct typed {
    const char *before;
    size_t before_length;
    const char *text;
};

static void offer(const struct typed *typed, const char *word, const char *end, const char *about)
{
    char whole[128];
    snprintf(whole, sizeof(whole), "%s%s", word, end);
    if (strncmp(whole, typed->text, strlen(typed->text)) != 0)
        return;
    printf("%.*s%s\t", (int)typed->before_length, typed->before, whole);
    for (; *about != '\0'; about++)
        putchar(*about == '\n' ? ' ' : *about);
    putchar('\n');
}

// "a|b|c", with or without brackets around it.
static void offer_alternatives(const struct typed *typed, const char *list)
{
    char word[64];
    for (const char *at = list; *at != '\0';) {
        at += strspn(at, "[|]");
        size_t length = strcspn(at, "[|]");
        snprintf(word, sizeof(word), "%.*s", (int)length, at);
        if (length > 0)
            offer(typed, word, "", "");
        at += length;
    }
}

static void offer_commands(const struct typed *typed)
{
    for (size_t i = 0; command_table[i] != NULL; i++)
        offer(typed, command_table[i]->name, "", command_table[i]->summary);
    offer(typed, "help", "", "all commands, or the help of one");
}

// --- values of options -------------------------------------------------------------------------

static void offer_words_of_key(const struct typed *typed, const char *key)
{
    const char *word;
    for (size_t i = 0; (word = config_word_at(key, i)) != NULL; i++)
        offer(typed, word, "", "");
}

static void offer_settings(const struct typed *typed)
{
    const char *key;
    const char *equals = strchr(typed->text, '=');
    if (equals == NULL) {
        for (size_t i = 0; (key = config_key_at(i)) != NULL; i++)
            offer(typed, key, "=", "");
        return;
    }
    // Of a word, its beginning up to the equals sign stays, whatever was before it.
    char before[128];
    char name[64];
    int length = snprintf(before, sizeof(before), "%.*s%.*s", (int)typed->before_length,
                          typed->before, (int)(equals + 1 - typed->text), typed->text);
    snprintf(name, sizeof(name), "%.*s", (int)(equals - typed->text), typed->text);
    if ((size_t)length < sizeof(before))
        offer_words_of_key(&(struct typed){before, (size_t)length, equals + 1}, name);
}

// Options whose argument is one of a few words that only their command knows.
static const struct {
    const char *option;
    const char *argument;
    const char *words;
} choices[] = {
    {"format", "FORMAT", "har|curl|jsonl"},
    {"output", "FORMAT", "table|tsv|jsonl|csv"},
    {"shell", "SHELL", "sh|fish|json"},
    {"pace", "PACE", "recorded|fast"},
    {"ui", "ADDR:PORT", "off"},
};

static void offer_choice(const struct typed *typed, const struct command_option *option)
{
    for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++)
        if (strcmp(choices[i].option, option->name) == 0 &&
            strcmp(choices[i].argument, option->argument) == 0)
            offer_alternatives(typed, choices[i].words);
}

static void offer_value(const struct typed *typed, const struct command_option *option)
{
    if (strcmp(option->argument, "FILE") == 0)
        puts(":files");
    else if (strcmp(option->argument, "DIR") == 0)
        puts(":folders");
    else if (strcmp(option->argument, "KEY=VALUE") == 0)
        offer_settings(typed);
    else if (strcmp(option->argument, "MODE") == 0)
        offer_words_of_key(typed, "mode");
    else
        offer_choice(typed, option);
}

// --- options -----------------------------------------------------------------------------------

// Looks among a command's options for "--name", "--name=…", "-l" or "-lVALUE".
struct search {
    const char *word;
    const struct command_option *found;
};

static void compare(void *ctx, const struct command_option *option)
{
    struct search *search = ctx;
    size_t length = strcspn(search->word, "=");
    bool is_long = length == strlen(option->name) + 2 && strncmp(search->word, "--", 2) == 0 &&
                   strncmp(search->word + 2, option->name, length - 2) == 0;
    bool is_short =
        option->letter != 0 && search->word[0] == '-' && search->word[1] == option->letter;
    if (is_long || is_short)
        search->found = option;
}

static const struct command_option *find_option(const struct command *command, const char *word)
{
    struct search search = {.word = word};
    options_walk(command, compare, &search);
    return search.found;
}

static void offer_option(void *ctx, const struct command_option *option)
{
    char word[64];
    snprintf(word, sizeof(word), "--%s", option->name);
    offer(ctx, word, "", option->help);
}

// Is the argument of this option the next word?
static bool wants_next_word(const struct command_option *option, const char *word)
{
    bool is_long = strncmp(word, "--", 2) == 0;
    return option != NULL && option->argument != NULL &&
           (is_long ? strchr(word, '=') == NULL : word[2] == '\0');
}

// --- words -------------------------------------------------------------------------------------

static void offer_filter(const struct typed *typed)
{
    const char *word;
    char kind[64];
    for (size_t i = 0; (word = filter_key_at(i)) != NULL; i++)
        offer(typed, word, ":", "");
    for (size_t i = 0; (word = filter_kind_at(i)) != NULL; i++) {
        snprintf(kind, sizeof(kind), "is:%s", word);
        offer(typed, kind, "", "");
    }
}

static void offer_words(const struct typed *typed, const struct command *command)
{
    const char *arguments = command->arguments == NULL ? "" : command->arguments;
    if (strncmp(arguments, "FILE", 4) == 0)
        puts(":files");
    if (strncmp(arguments, "ID", 2) == 0 || strstr(arguments, "FILTER") != NULL)
        offer(typed, "@last", "", "the newest exchange");
    if (strstr(arguments, "FILTER") != NULL)
        offer_filter(typed);
    if (arguments[0] == '[' && strchr(arguments, '|') != NULL)
        offer_alternatives(typed, arguments);
}

// The first word that is no option, of those before the last; their number if there is none.
static size_t find_first_word(const struct command *command, size_t count, char *const *words)
{
    for (size_t i = 0; i + 1 < count; i++) {
        if (strcmp(words[i], "--") == 0)
            return i;
        if (words[i][0] != '-')
            return i;
        if (wants_next_word(find_option(command, words[i]), words[i]))
            i++;
    }
    return count;
}

// A command that is run has arguments of its own.
static bool complete_run(const struct command *command, size_t count, char *const *words)
{
    if ((command->needs & TAKES_COMMAND) == 0)
        return false;
    size_t first = find_first_word(command, count, words);
    if (first == count)
        return false;
    bool is_command = strcmp(words[first], "--") == 0 && first + 2 == count;
    puts(is_command ? ":command" : ":files");
    return true;
}

static void complete_command(const struct command *command, size_t count, char *const *words)
{
    const char *word = words[count - 1];
    const char *previous = count > 1 ? words[count - 2] : "";
    const struct command_option *before = find_option(command, previous);
    const struct command_option *given = find_option(command, word);
    const char *equals = strchr(word, '=');
    struct typed typed = {word, 0, word};
    if (complete_run(command, count, words))
        return;
    if (wants_next_word(before, previous)) {
        offer_value(&typed, before);
    } else if (given != NULL && given->argument != NULL && equals != NULL &&
               strncmp(word, "--", 2) == 0) {
        size_t length = (size_t)(equals + 1 - word);
        offer_value(&(struct typed){word, length, equals + 1}, given);
    } else if (word[0] == '-') {
        options_walk(command, offer_option, &typed);
    } else if (command->needs & TAKES_COMMAND) {
        puts(":command");
    } else {
        offer_words(&typed, command);
    }
}

void complete_print(size_t word_count, char *const *words)
{
    if (word_count == 0)
        return;
    const char *last = words[word_count - 1];
    const struct typed typed = {last, 0, last};
    const struct command *command = command_find(words[0]);
    if (word_count == 1 || (word_count == 2 && strcmp(words[0], "help") == 0))
        offer_commands(&typed);
    else if (command != NULL)
        complete_command(command, word_count - 1, words + 1);
}
