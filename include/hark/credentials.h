// SPDX-License-Identifier: MIT
// The file that `proxy_auth` names: a line a user, "user:hash", with a hash as crypt(5) describes
// them. Blank lines and lines that begin with # are skipped.
#ifndef HARK_CREDENTIALS_H
#define HARK_CREDENTIALS_H

#include "hark/err.h"

#include <stdbool.h>
#include <stddef.h>

// Never changes once loaded. Owner: whoever loaded it. Thread: any, to read.
struct credentials;

// Returns NULL with the mistake, which names the file and, where it has one, the line. A file that
// others may read or change is a mistake.
struct credentials *credentials_load(const char *path, struct err *err);
void credentials_destroy(struct credentials *credentials); // takes NULL

// The hash of the user's password; NULL: there is no such user.
const char *credentials_find(const struct credentials *credentials, const char *user);
// Some user's hash, for letting a wrong name take as long as a wrong password.
const char *credentials_any_hash(const struct credentials *credentials);

// Is this the password of that hash? Takes the time that the hash was made to take.
bool credentials_verify(const char *hash, const char *password);

#endif
