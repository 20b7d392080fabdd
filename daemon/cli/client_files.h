// SPDX-License-Identifier: MIT
// The files that programs are pointed at, so that they trust the authority and find the proxy.
//
// They live in the data folder: `bundle.pem`, and the rest in its folder `clients`. Each is made
// when it is first needed and again when what it was made from has changed, in one step, so that
// programs may start meanwhile.
#ifndef HARK_CLI_CLIENT_FILES_H
#define HARK_CLI_CLIENT_FILES_H

#include "hark/err.h"
#include "hark/log.h"
#include "hark/mem.h"

// Absolute paths. Owner: whoever called client_files_make().
struct client_files {
    struct arena arena;
    const char *ca;            // our authority alone, for variables that add
    const char *bundle;        // the system's roots and ours, for variables that replace
    const char *wgetrc;        // the system's wgetrc, and the bundle
    const char *php_folder;    // an ini file for PHP
    const char *python_folder; // a sitecustomize
    const char *node_shim;     // for --require
    const char *java_store;    // NULL where there is no Java
};

// Makes the authority if there is none, and the files. The folder exists. What the environment of
// this process names as certificates to trust goes into the bundle, too. What only concerns one
// kind of program and fails is said in the log.
int client_files_make(const char *data_dir, struct log *log, struct client_files *files,
                      struct err *err);
void client_files_fini(struct client_files *files);

// What hark makes a bundle of: the first of the usual places where a system keeps its roots. NULL
// if there is none.
const char *client_files_system_bundle(void);

#endif
