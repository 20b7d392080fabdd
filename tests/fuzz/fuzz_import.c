// SPDX-License-Identifier: MIT
// Files to import. The input is one: HAR or JSON lines.
#include "fuzz.h"

#include "hark/import.h"

#include <sys/mman.h>
#include <unistd.h>

static void check_bodies(const struct whole_exchange *exchange)
{
    int64_t seq[2] = {0};
    for (size_t i = 0; i < exchange->segment_count; i++) {
        const struct whole_segment *segment = &exchange->segments[i];
        assert(segment->seq == seq[segment->side]++);
        assert(segment->chunk->is_sealed && segment->chunk->length > 0);
    }
}

// What the recording wants of a row.
static int check(void *ctx, struct whole_exchange *exchange, struct err *err)
{
    const struct exchange_row *row = exchange->row;
    int64_t *count = ctx;
    (void)err;
    (*count)++;
    assert(row->method != NULL && row->host != NULL);
    assert(row->status >= 0 && row->status <= 999);
    assert(row->state != ROW_STATE_PENDING);
    assert(row->started_us >= 0 && row->duration_us >= -1);
    assert(row->port >= 0 && row->port <= 65535);
    check_bodies(exchange);
    whole_exchange_destroy(exchange);
    return 0;
}

static void read_all(int fd, bool skips_invalid)
{
    struct import_result result;
    struct err err = {0};
    int64_t count = 0;
    const struct import_options options = {.fd = fd,
                                           .entry_max_bytes = skips_invalid ? 1024 : 0,
                                           .skips_invalid = skips_invalid,
                                           .on_exchange = check,
                                           .ctx = &count};
    int outcome = import_read(&options, &result, &err);
    assert((outcome != 0) == err.is_set);
    assert(result.added == count && (outcome == 0 || count == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("import", MFD_CLOEXEC);
    if (write(fd, data, size) == (ssize_t)size) {
        read_all(fd, false);
        read_all(fd, true);
    }
    close(fd);
    return 0;
}
