// SPDX-License-Identifier: MIT
// What may come next on a command line, for the completion of shells.
#ifndef HARK_CLI_COMPLETE_H
#define HARK_CLI_COMPLETE_H

#include <stddef.h>

// `hark help --complete WORD…`: the words after "hark", the one being typed last. Prints a line for
// each that fits: the whole word, a tab, what it is. A line ":files", ":folders" or ":command" says
// that any such name fits. A word that ends in "=" or ":" is not done.
void complete_print(size_t word_count, char *const *words);

#endif
