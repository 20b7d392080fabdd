// SPDX-License-Identifier: MIT
// Where a listener was, as it says itself (Last-Event-ID): any text. What is a position must be one
// that a follow can go on from, and tells again in the same words.
#include "fuzz.h"

#include "hark/store_follow.h"
#include "hark/store_writer.h"

#include <stdio.h>
#include <unistd.h>

static char folder[] = "/tmp/hark-fuzz-XXXXXX";
static struct store_reader *reader;

static void remove_recording(void)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", ".lock", "-lock"};
    store_reader_close(reader);
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        char path[64];
        snprintf(path, sizeof(path), "%s/hark.db%s", folder, suffixes[i]);
        unlink(path);
    }
    rmdir(folder);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    const char *made = mkdtemp(folder);
    assert(made != NULL);
    char path[64];
    snprintf(path, sizeof(path), "%s/hark.db", folder);
    struct log *log = log_create(STDERR_FILENO, LOG_LEVEL_ERROR, false);
    struct store_writer_options options = {
        .path = path, .version = "0", .command = "fuzz", .settings = "{}", .log = log};
    struct err err = {0};
    struct store_writer *writer = store_writer_open(&options, &err);
    assert(writer != NULL);
    store_writer_close(writer);
    log_destroy(log);
    reader = store_reader_open(path, &err);
    assert(reader != NULL);
    atexit(remove_recording);
    return 0;
}

// The caller frees it.
static char *go_on_from(const char *position)
{
    struct err err = {0};
    struct buffer out = {0};
    struct store_follow_options options = {.position = position};
    struct store_follow *follow = store_follow_create(reader, &options, &err);
    assert(follow != NULL);
    store_follow_position(follow, &out);
    store_follow_destroy(follow);
    char *told = mem_strndup((const char *)out.data, out.length);
    buffer_fini(&out);
    return told;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    if (store_follow_is_position(text)) {
        char *once = go_on_from(text);
        assert(store_follow_is_position(once));
        char *twice = go_on_from(once);
        assert(strcmp(once, twice) == 0);
        free(once);
        free(twice);
    }
    free(text);
    return 0;
}
