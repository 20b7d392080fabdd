// SPDX-License-Identifier: MIT
// The command line: everything that main() does.
#ifndef HARK_CLI_H
#define HARK_CLI_H

// Runs the subcommand that argv names and returns the exit status of the process.
int cli_main(int argc, char **argv);

#endif
