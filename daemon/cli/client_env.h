// SPDX-License-Identifier: MIT
// The environment under which programs use the proxy and trust its authority.
//
// A pure function of the caller's environment, the proxy's address and the files: which variable is
// for whom stands in the table of client_env.c, and what was measured with each program in
// docs/clients.md.
#ifndef HARK_CLI_CLIENT_ENV_H
#define HARK_CLI_CLIENT_ENV_H

#include "client_files.h"
#include "hark/mem.h"

#include <stddef.h>

struct client_setting {
    const char *name;
    const char *value;
};

// Owner: whoever called client_env_make(). Zero-initialised is empty.
struct client_env {
    struct arena arena;
    struct client_setting *items;
    size_t count;
};

// `proxy` is "127.0.0.1:4275". What the caller's environment says is kept where a variable is a
// list, and replaced where it is not; doing it twice changes nothing more.
void client_env_make(struct client_env *env, const char *proxy, const struct client_files *files,
                     char *const *environment);
void client_env_fini(struct client_env *env);

// `environment` with the settings in it, for execve(2). It lives as long as `env`.
char **client_env_merge(struct client_env *env, char *const *environment);

#endif
