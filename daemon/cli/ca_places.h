// SPDX-License-Identifier: MIT
// The places outside the data folder where a certificate authority can be made known: what there is
// on this machine, and by which commands each learns of ours and forgets it.
#ifndef HARK_CLI_CA_PLACES_H
#define HARK_CLI_CA_PLACES_H

#include "ca_certificate.h"
#include "hark/mem.h"

#include <stdbool.h>
#include <stddef.h>

#define CA_PLACES_MAX   64
#define CA_COMMANDS_MAX 3

// A program and its arguments; the program is NULL where it is not installed.
typedef const char *const *ca_command;

struct ca_place {
    const char *name; // "system", "Chromium", "Firefox", "Java"
    const char *path; // file or folder
    const char *mend; // what to do first; NULL if nothing is missing
    bool needs_root;  // to change it, and this process is not root
    ca_command check; // succeeds if our certificate is there; NULL: look for `path`
    ca_command install[CA_COMMANDS_MAX + 1]; // NULL ends them
    ca_command uninstall[CA_COMMANDS_MAX + 1];
};

// Owner: whoever called ca_places_find().
struct ca_places {
    struct arena arena;
    struct ca_place items[CA_PLACES_MAX];
    size_t count;
};

void ca_places_find(struct ca_places *places, const struct ca_certificate *certificate);
void ca_places_fini(struct ca_places *places);

// Is our certificate known there? false also where that cannot be told.
bool ca_place_trusts(const struct ca_place *place);

#endif
