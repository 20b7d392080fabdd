// SPDX-License-Identifier: MIT
// The filter language: each line of the input is a word. What is accepted must be SQL that a real
// recording answers; and what an exchange in memory can be judged by must be answered alike.
#include "recording.h"

#include "hark/filter_judge.h"

#define MAX_WORDS 64

static struct exchange_row *row;

static void forget_row(void)
{
    row_destroy(row);
}

static void add_segment(struct store_writer *writer, enum body_side side, int64_t seq,
                        const char *text)
{
    struct err err = {0};
    struct chunk *chunk = chunk_create(strlen(text), 0);
    chunk_append(chunk, text, strlen(text));
    chunk_seal(chunk);
    enum store_result result = store_writer_put_body(writer, 1, side, seq, chunk, &err);
    assert(result == STORE_OK);
    chunk_unref(chunk);
}

static void add_exchange(struct store_writer *writer)
{
    struct err err = {0};
    row = row_create();
    row->id = 1;
    row->state = ROW_STATE_DONE;
    row->method = "GET";
    row->scheme = "http";
    row->host = "example.com";
    row->port = 80;
    row->path = "/v1/things";
    row->status = 200;
    enum store_result result = store_writer_begin(writer, &err);
    assert(result == STORE_OK);
    result = store_writer_put_row(writer, row, false, &err);
    assert(result == STORE_OK);
    // One whose words lie across two segments, and one that is no text.
    add_segment(writer, BODY_REQUEST, 0, "{\"id\": 4275, \"name\": \"a fli");
    add_segment(writer, BODY_REQUEST, 1, "ght recorder\"}");
    add_segment(writer, BODY_RESPONSE, 0, "\x1f\x8b\xff flight \xc3\xa4");
    result = store_writer_commit(writer, &err);
    assert(result == STORE_OK);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_make_recording(add_exchange);
    atexit(forget_row);
    return 0;
}

static int on_row(void *ctx, size_t count, const char *const *names, const struct value *values)
{
    (void)names;
    (void)values;
    assert(count > 0);
    ++*(int *)ctx;
    return 0;
}

static int check_answer(const struct filter *filter)
{
    struct err err = {0};
    int rows = 0;
    const struct store_list_options options = {.filter = filter};
    int result = store_list_traffic(fuzz_reader, &options, NULL, on_row, &rows, &err);
    if (result != 0)
        fprintf(stderr, "%s\n", err.text);
    assert(result == 0);
    assert(rows == 0 || rows == 1);
    return rows;
}

static void check_judgement(const char *text, int rows)
{
    struct err err = {0};
    struct filter *filter = filter_create_for_rows(text, &err);
    assert(err.is_set == (filter == NULL));
    if (filter == NULL)
        return;
    enum filter_verdict last = filter_judge(filter, row, FILTER_AT_END);
    enum filter_verdict first = filter_judge(filter, row, FILTER_AT_REQUEST);
    assert(last == (rows == 1 ? FILTER_YES : FILTER_NO));
    assert(first == last || first == FILTER_OPEN);
    filter_destroy(filter);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    char *joined = fuzz_text(data, size);
    for (char *at = joined; *at != '\0'; at++)
        *at = *at == '\n' ? ' ' : *at;
    const char *words[MAX_WORDS];
    size_t count = 0;
    char *rest = text;
    while (count < MAX_WORDS && rest != NULL)
        words[count++] = fuzz_next_line(&rest);
    struct err err = {0};
    struct filter *filter = filter_create(words, count, &err);
    assert(err.is_set == (filter == NULL));
    int rows = filter == NULL ? 0 : check_answer(filter);
    if (filter != NULL && rest == NULL)
        check_judgement(joined, rows);
    filter_destroy(filter);
    free(joined);
    free(text);
    return 0;
}
