// SPDX-License-Identifier: MIT
// Java's certificates: where a Java installation keeps its own, and a copy of them with ours added.
#ifndef HARK_CLI_JAVA_STORE_H
#define HARK_CLI_JAVA_STORE_H

#include "hark/err.h"

// Java ships its store with this one, and everybody leaves it so.
#define JAVA_STORE_PASSWORD "changeit"

// The Java of $JAVA_HOME, else the one in the PATH. NULL members: not found.
struct java {
    char *keytool;
    char *cacerts; // real path
};

struct java java_find(void);
void java_fini(struct java *java);

// Makes `folder`/cacerts.p12, unless it is there and what it was made from has not changed: a
// PKCS#12 store that opens without a password, with the certificates of Java's own store and that
// in `ca_path`. `path` gets its path (the caller frees it), or NULL where there is no Java; one
// that was left by an earlier Java is removed then.
int java_store_make(const char *folder, const char *ca_path, char **path, struct err *err);

#endif
