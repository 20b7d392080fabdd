// SPDX-License-Identifier: MIT
// The one error type; see the header for its rules.
#include "hark/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *err, const char *format, ...)
{
    if (err->is_set)
        return -1;
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    err->is_set = true;
    return -1;
}

int err_prefix(struct err *err, const char *format, ...)
{
    if (!err->is_set)
        return -1;
    char text[2 * sizeof(err->text)];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(err->text), format, args);
    va_end(args);
    size_t used = strlen(text);
    snprintf(text + used, sizeof(text) - used, ": %s", err->text);
    memcpy(err->text, text, sizeof(err->text) - 1);
    err->text[sizeof(err->text) - 1] = '\0';
    return -1;
}
