// SPDX-License-Identifier: MIT
// The shape of the recording: migrations as data. docs/schema.md says what the columns mean.
#ifndef HARK_STORE_SCHEMA_H
#define HARK_STORE_SCHEMA_H

#include "hark/store_writer.h"

#include <stddef.h>

// The `application_id` in the file's header: "Hark".
#define SCHEMA_APPLICATION_ID 0x4861726b

// The least status of an exchange that is worth an index entry.
#define SCHEMA_NOTABLE_STATUS 400

// One step. Its statements run in one transaction together with the change of `user_version`.
// A step that has been released never changes; what comes later is a step of its own.
struct migration {
    int version;                   // `user_version` after it
    const char *const *statements; // ends with NULL
};

extern const struct migration schema_migrations[];
extern const size_t schema_migration_count;

// The version that the last step leads to.
int schema_version(void);

// The value of the column `side`.
const char *schema_side_name(enum body_side side);

#endif
