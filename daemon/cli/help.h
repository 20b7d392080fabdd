// SPDX-License-Identifier: MIT
// The help texts, made from the command table.
#ifndef HARK_CLI_HELP_H
#define HARK_CLI_HELP_H

#include "command.h"

void help_print_all(void);
void help_print_command(const struct command *command);

#endif
