// SPDX-License-Identifier: MIT
// Names that the configuration lists. They are compared without regard to case, since a value that
// stays hidden by mistake does less harm than one that does not; "*" stands for any characters.
#ifndef HARK_HTTP_REDACT_NAMES_H
#define HARK_HTTP_REDACT_NAMES_H

#include "hark/config.h"

#include <stdbool.h>
#include <stddef.h>

// A longer name is taken for one that is listed: nobody can say that it is not.
#define REDACT_NAME_MAX_BYTES ((size_t)1024)

bool redact_name_fits(const char *pattern, size_t pattern_length, const char *name, size_t length);
bool redact_names_have(const struct config_list *names, const char *name, size_t length);
// The same for a parameter or a field of a form, in whose name frameworks write the steps to a
// value (PHP and Rails: "user[password]", "token[]"; .NET: "Input.Password"): one of them is
// enough.
bool redact_names_have_parameter(const struct config_list *names, const char *name, size_t length);

#endif
