// SPDX-License-Identifier: MIT
// The option table: what each key is called, how its value reads and where it goes.
#ifndef HARK_BASE_CONFIG_OPTIONS_H
#define HARK_BASE_CONFIG_OPTIONS_H

#include "hark/config.h"

enum config_type {
    CONFIG_TYPE_BOOL, // on, off
    CONFIG_TYPE_WORD, // one of `words`, as an enum in their order
    CONFIG_TYPE_INT,
    CONFIG_TYPE_SIZE,
    CONFIG_TYPE_SIZE_OR_ALL, // INT64_MAX for "all"
    CONFIG_TYPE_DURATION,
    CONFIG_TYPE_TEXT, // NULL when empty
    CONFIG_TYPE_LIST, // items separated by white space or commas
};

struct config_option {
    const char *key;
    enum config_type type;
    size_t offset; // in struct config
    const char *default_text;
    const char *const *words; // NULL-terminated; of a list: what its items may be
    int64_t min, max;         // of numbers, in their unit
    bool takes_zero;          // which means none, however large `min` is
    bool wants_unit;          // of an age from which on things are deleted
    int (*check)(const char *text, struct err *err); // of a text or an item; may be NULL
    bool is_fixed;                                   // takes a restart to change
    bool takes_lines; // a text that may go on in indented lines, with a space between
    bool has_login;   // USER:PASSWORD@ may stand in it, which no message shows
};

// How the value of one option came to be. `text` is its items separated by spaces; `origin` is of
// the last of them.
struct config_setting {
    const char *text;
    const char *origin;
    struct config_list item_origins; // beside the items of a list
};

extern const struct config_option config_options[];
extern const size_t config_option_count;

// Reads `text` into its field; a list is added to when `adds`, else replaced.
int config_option_parse(const struct config_option *option, const char *text, bool adds,
                        struct config *config, struct err *err);

// Gives `to` the value of one option that `from` has, and where that was said.
void config_option_copy(const struct config_option *option, const struct config *from,
                        struct config *to);

void config_list_add(struct config_list *list, const char *item, struct arena *arena);

#endif
