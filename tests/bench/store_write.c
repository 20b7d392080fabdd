// SPDX-License-Identifier: MIT
// What the recording costs: microseconds an exchange for several sizes of transaction, and the
// rate at which large bodies are written.
//
//     cmake --preset release -DHARK_TESTS=ON && cmake --build --preset release -t bench_store_write
//     build/release/tests/bench_store_write FOLDER [EXCHANGES]
//
// Writes FOLDER/bench.db, which must not exist, and checkpoints in between as the daemon does. To
// be run by hand on a quiet machine. On a page cache that has to grow first, it is the kernel that
// is measured: run it twice.
#include "hark/clock.h"
#include "hark/store_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_BYTES        1024
#define LARGE_BYTES       ((int64_t)512 * 1024 * 1024)
#define CHECKPOINT_BYTES  ((int64_t)16 * 1024 * 1024)
#define LARGE_TRANSACTION 16
#define CHECKPOINT_EVERY  8 // such transactions

static void must(enum store_result result, const struct err *err)
{
    if (result == STORE_OK)
        return;
    fprintf(stderr, "store_write: %s\n", err->text);
    exit(1);
}

static void add_field(struct exchange_row *row, struct fields *fields, const char *name,
                      const char *value)
{
    fields_add(fields, &row->arena, name, strlen(name), value, strlen(value));
}

static struct exchange_row *usual_row(void)
{
    struct exchange_row *row = row_create();
    row->state = ROW_STATE_DONE;
    row->started_us = clock_wall_us();
    row->duration_us = 1234;
    row->timing.send_us = 12;
    row->timing.wait_us = 1000;
    row->timing.receive_us = 100;
    row->client_addr = "127.0.0.1:51234";
    row->method = "GET";
    row->scheme = "http";
    row->host = "api.example.com";
    row->port = 80;
    row->path = "/v1/items/12345";
    row->query = "page=2&per_page=50";
    row->request_version = "HTTP/1.1";
    row->status = 200;
    row->reason = "OK";
    row->response_version = "HTTP/1.1";
    row->response_size = BODY_BYTES;
    row->response_type = "application/json";
    row->server_addr = "93.184.216.34:80";
    add_field(row, &row->request_headers, "Host", "api.example.com");
    add_field(row, &row->request_headers, "User-Agent", "python-requests/2.31.0");
    add_field(row, &row->request_headers, "Accept-Encoding", "gzip, deflate");
    add_field(row, &row->request_headers, "Accept", "*/*");
    add_field(row, &row->request_headers, "Connection", "keep-alive");
    add_field(row, &row->response_headers, "Date", "Fri, 20 Nov 2026 09:00:00 GMT");
    add_field(row, &row->response_headers, "Content-Type", "application/json; charset=utf-8");
    add_field(row, &row->response_headers, "Content-Length", "1024");
    add_field(row, &row->response_headers, "Server", "nginx");
    add_field(row, &row->response_headers, "ETag", "\"5f3c-1a2b3c4d5e6f\"");
    return row;
}

static struct chunk *full_chunk(size_t length, int fill_step)
{
    struct chunk *chunk = chunk_create(length, 0);
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)(fill_step == 0 ? 'a' : (int)i * fill_step);
        chunk_append(chunk, &byte, 1);
    }
    chunk_seal(chunk);
    return chunk;
}

static void put_exchange(struct store_writer *writer, struct exchange_row *row,
                         const struct chunk *body, struct err *err)
{
    char host[32];
    snprintf(host, sizeof(host), "api%d.example.com", (int)(row->id % 20));
    row->host = host;
    row->started_us++;
    must(store_writer_put_row(writer, row, false, err), err);
    must(store_writer_put_body(writer, row->id, BODY_RESPONSE, 0, body, err), err);
    row->id++;
}

static void run_exchanges(struct store_writer *writer, struct exchange_row *row, int64_t count,
                          int64_t per_transaction)
{
    struct err err = {0};
    struct chunk *body = full_chunk(BODY_BYTES, 0);
    int64_t checkpoint_us = 0;
    int64_t wal_bytes = 0;
    int64_t began_us = clock_monotonic_us();
    for (int64_t done = 0; done < count; done += per_transaction) {
        must(store_writer_begin(writer, &err), &err);
        for (int64_t i = 0; i < per_transaction; i++)
            put_exchange(writer, row, body, &err);
        must(store_writer_commit(writer, &err), &err);
        if (done * 3000 / CHECKPOINT_BYTES == (done + per_transaction) * 3000 / CHECKPOINT_BYTES)
            continue;
        int64_t before_us = clock_monotonic_us();
        must(store_writer_checkpoint(writer, &wal_bytes, &err), &err);
        checkpoint_us += clock_monotonic_us() - before_us;
    }
    int64_t took_us = clock_monotonic_us() - began_us;
    printf("%8lld a transaction: %6.2f us an exchange, and %5.2f us for checkpoints\n",
           (long long)per_transaction, (double)(took_us - checkpoint_us) / (double)count,
           (double)checkpoint_us / (double)count);
    chunk_unref(body);
}

static void run_large(struct store_writer *writer, struct exchange_row *row, const char *what,
                      int fill_step)
{
    struct err err = {0};
    struct chunk *body = full_chunk(CHUNK_MAX_BYTES, fill_step);
    int64_t segments = LARGE_BYTES / (int64_t)CHUNK_MAX_BYTES;
    int64_t wal_bytes = 0;
    int64_t checkpoint_us = 0;
    int64_t began_us = clock_monotonic_us();
    for (int64_t seq = 0; seq < segments; seq += LARGE_TRANSACTION) {
        must(store_writer_begin(writer, &err), &err);
        for (int64_t i = 0; i < LARGE_TRANSACTION; i++)
            must(store_writer_put_body(writer, row->id, BODY_RESPONSE, seq + i, body, &err), &err);
        must(store_writer_commit(writer, &err), &err);
        if (seq / LARGE_TRANSACTION % CHECKPOINT_EVERY != CHECKPOINT_EVERY - 1)
            continue;
        int64_t before_us = clock_monotonic_us();
        must(store_writer_checkpoint(writer, &wal_bytes, &err), &err);
        checkpoint_us += clock_monotonic_us() - before_us;
    }
    int64_t took_us = clock_monotonic_us() - began_us;
    printf("%s in 256 KiB segments: %.0f MB/s, %.0f with checkpoints; WAL %lld MiB\n", what,
           (double)LARGE_BYTES / (double)(took_us - checkpoint_us),
           (double)LARGE_BYTES / (double)took_us, (long long)(wal_bytes >> 20));
    row->id++;
    chunk_unref(body);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: bench_store_write FOLDER [EXCHANGES]\n");
        return 2;
    }
    int64_t count = argc > 2 ? strtoll(argv[2], NULL, 10) : 100000;
    struct err err = {0};
    struct log *log = log_create(2, LOG_LEVEL_INFO, false);
    char *path = mem_printf("%s/bench.db", argv[1]);
    struct store_writer_options options = {
        .path = path, .version = "bench", .command = "bench", .settings = "{}", .log = log};
    struct store_writer *writer = store_writer_open(&options, &err);
    if (writer == NULL) {
        fprintf(stderr, "store_write: %s\n", err.text);
        return 1;
    }
    struct exchange_row *row = usual_row();
    row->id = store_writer_next_id(writer);
    run_exchanges(writer, row, count, 1000);
    run_exchanges(writer, row, count, 100);
    run_exchanges(writer, row, count / 10, 1);
    run_large(writer, row, "text", 0);
    run_large(writer, row, "binary", 7);
    row_destroy(row);
    store_writer_close(writer);
    free(path);
    log_destroy(log);
    return 0;
}
