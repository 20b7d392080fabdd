// SPDX-License-Identifier: MIT
// Help goes to standard output, since it was asked for, in at most 80 columns.
#include "help.h"

#include "options.h"

#include <stdio.h>
#include <string.h>

#define OPTION_COLUMN 26

void help_print_all(void)
{
    printf("hark - a flight recorder for HTTP\n"
           "\n"
           "Point a program at hark as its proxy; every request and its answer is kept, as it\n"
           "was on the wire, in one SQLite file.\n"
           "\n"
           "Usage: hark COMMAND [OPTION…] [ARGUMENT…]\n"
           "\n"
           "Commands:\n");
    for (size_t i = 0; command_table[i]; i++)
        printf("  %-10s %s\n", command_table[i]->name, command_table[i]->summary);
    printf("  %-10s %s\n", "help", "this text, or with a command's name the help of that one");
    printf("\n"
           "First steps:\n"
           "  hark serve &\n"
           "  http_proxy=http://127.0.0.1:4275 curl http://example.com/\n"
           "  hark ls\n"
           "  hark show @last\n"
           "\n"
           "Exit status: 0 done, 1 failed, 2 wrong usage, 3 nothing matched, 4 daemon\n"
           "unreachable.\n");
}

static void print_option(void *ctx, const struct command_option *option)
{
    (void)ctx;
    char left[64];
    if (option->letter)
        snprintf(left, sizeof left, "  -%c, --%s%s%s", option->letter, option->name,
                 option->argument ? " " : "", option->argument ? option->argument : "");
    else
        snprintf(left, sizeof left, "      --%s%s%s", option->name, option->argument ? " " : "",
                 option->argument ? option->argument : "");
    // A help text may have several lines, separated by newlines.
    const char *line = option->help;
    bool is_first = true;
    while (line) {
        size_t length = strcspn(line, "\n");
        bool is_wide = is_first && strlen(left) >= OPTION_COLUMN;
        if (is_wide)
            printf("%s\n", left);
        printf("%-*s%.*s\n", OPTION_COLUMN, is_first && !is_wide ? left : "", (int)length, line);
        line = line[length] ? line + length + 1 : NULL;
        is_first = false;
    }
}

void help_print_command(const struct command *command)
{
    printf("hark %s - %s\n\nUsage: hark %s [OPTION…]%s%s\n\n%s\nOptions:\n", command->name,
           command->summary, command->name, command->arguments ? " " : "",
           command->arguments ? command->arguments : "", command->help);
    options_walk(command, print_option, NULL);
}
