// SPDX-License-Identifier: MIT
// What the conventions say: https://no-color.org, https://bixense.com/clicolors, TERM=dumb.
#include "hark/terminal.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define COLUMNS_USUAL  80
#define COLUMNS_FEWEST 20

static const char *env(const char *name)
{
    const char *value = getenv(name);
    return value ? value : "";
}

static bool is_color_wanted(bool is_terminal)
{
    if (*env("NO_COLOR"))
        return false;
    if (*env("CLICOLOR_FORCE") && strcmp(env("CLICOLOR_FORCE"), "0") != 0)
        return true;
    return is_terminal && *env("TERM") && strcmp(env("TERM"), "dumb") != 0;
}

static size_t find_columns(int fd)
{
    struct winsize size;
    unsigned long columns = strtoul(env("COLUMNS"), NULL, 10);
    if (columns == 0 && ioctl(fd, TIOCGWINSZ, &size) == 0)
        columns = size.ws_col;
    if (columns == 0 || columns > 10000)
        return COLUMNS_USUAL;
    return columns < COLUMNS_FEWEST ? COLUMNS_FEWEST : columns;
}

struct terminal terminal_of(int fd)
{
    bool is_terminal = isatty(fd);
    return (struct terminal){
        .is_terminal = is_terminal,
        .has_color = is_color_wanted(is_terminal),
        .columns = is_terminal ? find_columns(fd) : SIZE_MAX,
    };
}

const char *terminal_color(const struct terminal *terminal, enum color color)
{
    static const char *const codes[] = {
        [COLOR_NONE] = "",         [COLOR_BOLD] = "\033[1m",   [COLOR_DIM] = "\033[2m",
        [COLOR_RED] = "\033[31m",  [COLOR_GREEN] = "\033[32m", [COLOR_YELLOW] = "\033[33m",
        [COLOR_BLUE] = "\033[34m", [COLOR_CYAN] = "\033[36m",
    };
    return terminal->has_color ? codes[color] : "";
}

const char *terminal_reset(const struct terminal *terminal)
{
    return terminal->has_color ? "\033[0m" : "";
}

enum color color_of_status(int status)
{
    static const enum color by_class[] = {COLOR_NONE, COLOR_CYAN,   COLOR_GREEN,
                                          COLOR_CYAN, COLOR_YELLOW, COLOR_RED};
    return status >= 100 && status <= 599 ? by_class[status / 100] : COLOR_NONE;
}
