// SPDX-License-Identifier: MIT
// A recording for the targets that ask one. It lasts as long as the program.
#ifndef HARK_TESTS_FUZZ_RECORDING_H
#define HARK_TESTS_FUZZ_RECORDING_H

#include "fuzz.h"

#include "hark/store_reader.h"
#include "hark/store_writer.h"

#include <stdio.h>
#include <unistd.h>

static char fuzz_folder[] = "/tmp/hark-fuzz-XXXXXX";
static struct store_reader *fuzz_reader;

static void fuzz_remove_recording(void)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", ".lock", "-lock"};
    store_reader_close(fuzz_reader);
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        char path[64];
        snprintf(path, sizeof(path), "%s/hark.db%s", fuzz_folder, suffixes[i]);
        unlink(path);
    }
    rmdir(fuzz_folder);
}

// `fill` puts something into it; NULL leaves it empty.
static void fuzz_make_recording(void (*fill)(struct store_writer *writer))
{
    const char *made = mkdtemp(fuzz_folder);
    assert(made != NULL);
    char path[64];
    snprintf(path, sizeof(path), "%s/hark.db", fuzz_folder);
    struct log *log = log_create(STDERR_FILENO, LOG_LEVEL_ERROR, false);
    struct store_writer_options options = {
        .path = path, .version = "0", .command = "fuzz", .settings = "{}", .log = log};
    struct err err = {0};
    struct store_writer *writer = store_writer_open(&options, &err);
    assert(writer != NULL);
    if (fill != NULL)
        fill(writer);
    store_writer_close(writer);
    log_destroy(log);
    fuzz_reader = store_reader_open(path, &err);
    assert(fuzz_reader != NULL);
    atexit(fuzz_remove_recording);
}

#endif
