// SPDX-License-Identifier: MIT
// Makes a recording to search in.
//
//     bench_find_generate FILE EXCHANGES BODY_BYTES
//
// 40 hosts, the first with a third of the traffic; 5 % answers of 4xx and 1 % of 5xx, one in 1,000
// exchanges failed, one in 5,000 a WebSocket; among the newest half nobody says DELETE or 418.
// Bodies are JSON, the last of them ends in "needle-in-a-haystack".
#include "hark/clock.h"
#include "hark/store_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOSTS           40
#define PER_TRANSACTION 1000
#define SPACING_US      100000 // between exchanges, the last one now
#define NEEDLE          "needle-in-a-haystack"

static void must(enum store_result result, const struct err *err)
{
    if (result == STORE_OK)
        return;
    fprintf(stderr, "find_generate: %s\n", err->text);
    exit(1);
}

static void add_field(struct exchange_row *row, struct fields *fields, const char *name,
                      const char *value)
{
    fields_add(fields, &row->arena, name, strlen(name), value, strlen(value));
}

// The same numbers each time.
static unsigned pick(int64_t id, unsigned salt, unsigned count)
{
    uint64_t mixed = ((uint64_t)id * 0x9e3779b97f4a7c15U) ^ ((uint64_t)salt << 32);
    mixed ^= mixed >> 29;
    mixed *= 0xbf58476d1ce4e5b9U;
    return (unsigned)((mixed >> 32) % count);
}

static int status_of(int64_t id, int64_t count)
{
    static const int failures[] = {404, 404, 404, 401, 429, 500, 503};
    unsigned roll = pick(id, 1, 100);
    if (id == count / 4)
        return 418;
    return roll < 6 ? failures[pick(id, 2, 7)] : roll < 12 ? 304 : 200;
}

static const char *method_of(int64_t id, int64_t count)
{
    unsigned roll = pick(id, 3, 100);
    if (id < count / 2 && id % 10000 == 0)
        return "DELETE";
    return roll < 80 ? "GET" : roll < 97 ? "POST" : "PUT";
}

static void fill_texts(struct exchange_row *row, int64_t count)
{
    int64_t id = row->id;
    unsigned host = pick(id, 4, 3) == 0 ? 0 : pick(id, 5, HOSTS);
    row->client_addr = arena_printf(&row->arena, "127.0.0.1:%u", 32768 + pick(id / 50, 6, 28000));
    row->method = method_of(id, count);
    row->scheme = host % 2 == 0 ? "https" : "http";
    row->host = arena_printf(&row->arena, "api%u.example.com", host);
    row->port = host % 2 == 0 ? 443 : 80;
    row->path = arena_printf(&row->arena, "/v1/items/%lld", (long long)id);
    row->query = pick(id, 7, 2) == 0 ? "page=2&per_page=50" : NULL;
    row->request_version = "HTTP/1.1";
    row->reason = "OK";
    row->response_version = "HTTP/1.1";
    row->response_type = pick(id, 8, 10) == 0 ? "text/html" : "application/json";
    row->server_addr = "93.184.216.34:443";
    add_field(row, &row->request_headers, "Host", row->host);
    add_field(row, &row->request_headers, "User-Agent", "python-requests/2.31.0");
    add_field(row, &row->request_headers, "Accept-Encoding", "gzip, deflate");
    add_field(row, &row->request_headers, "Accept", "*/*");
    add_field(row, &row->request_headers, "Connection", "keep-alive");
    add_field(row, &row->response_headers, "Date", "Fri, 20 Nov 2026 09:00:00 GMT");
    add_field(row, &row->response_headers, "Content-Type", "application/json; charset=utf-8");
    add_field(row, &row->response_headers, "Server", "nginx");
    add_field(row, &row->response_headers, "ETag", "\"5f3c-1a2b3c4d5e6f\"");
}

static struct exchange_row *make_row(int64_t id, int64_t count, int64_t now_us, size_t body_bytes)
{
    struct exchange_row *row = row_create();
    row->id = id;
    row->state = ROW_STATE_DONE;
    row->started_us = now_us - (count - id) * SPACING_US;
    row->timing.wait_us = 500 + pick(id, 9, 50000);
    row->duration_us = row->timing.wait_us + 200;
    row->status = status_of(id, count);
    row->response_size = (int64_t)body_bytes;
    row->kind = id % 5000 == 0 ? ROW_KIND_WEBSOCKET : ROW_KIND_HTTP;
    if (id % 1000 == 0) {
        row->state = ROW_STATE_UPSTREAM_ERROR;
        row->error = "connect";
        row->error_text = "connection refused";
        row->status = 502;
    }
    fill_texts(row, count);
    return row;
}

static struct chunk *make_body(size_t length, const char *end)
{
    static const char item[] =
        "{\"id\":12345,\"name\":\"A thing of beauty\",\"price\":\"17.95\"},\n";
    struct chunk *chunk = chunk_create(length, 0);
    for (size_t at = 0; at < length; at++)
        chunk_append(chunk, &item[at % (sizeof(item) - 1)], 1);
    memcpy(chunk->data + length - strlen(end), end, strlen(end));
    chunk_seal(chunk);
    return chunk;
}

static void put_all(struct store_writer *writer, int64_t count, size_t body_bytes)
{
    struct err err = {0};
    struct chunk *body = make_body(body_bytes, "]");
    struct chunk *last = make_body(body_bytes, NEEDLE);
    int64_t now_us = clock_wall_us();
    int64_t wal_bytes;
    for (int64_t id = 1; id <= count; id++) {
        if (id % PER_TRANSACTION == 1)
            must(store_writer_begin(writer, &err), &err);
        struct exchange_row *row = make_row(id, count, now_us, body_bytes);
        must(store_writer_put_row(writer, row, false, &err), &err);
        must(store_writer_put_body(writer, id, BODY_RESPONSE, 0, id == count ? last : body, &err),
             &err);
        row_destroy(row);
        if (id % PER_TRANSACTION != 0 && id != count)
            continue;
        must(store_writer_commit(writer, &err), &err);
        must(store_writer_checkpoint(writer, &wal_bytes, &err), &err);
    }
    chunk_unref(body);
    chunk_unref(last);
}

int main(int argc, char **argv)
{
    if (argc != 4 || atoll(argv[2]) < 1 || (size_t)atoll(argv[3]) < sizeof(NEEDLE)) {
        fprintf(stderr, "usage: bench_find_generate FILE EXCHANGES BODY_BYTES\n");
        return 2;
    }
    struct err err = {0};
    struct log *log = log_create(STDERR_FILENO, LOG_LEVEL_WARN, false);
    const struct store_writer_options options = {.path = argv[1],
                                                 .version = "bench",
                                                 .command = "find_generate",
                                                 .settings = "{}",
                                                 .log = log};
    struct store_writer *writer = store_writer_open(&options, &err);
    if (writer == NULL) {
        fprintf(stderr, "find_generate: %s\n", err.text);
        return 1;
    }
    put_all(writer, atoll(argv[2]), (size_t)atoll(argv[3]));
    store_writer_close(writer);
    log_destroy(log);
    return 0;
}
