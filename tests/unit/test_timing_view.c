// SPDX-License-Identifier: MIT
// `hark show --timing` for people, and notes in `hark show`.
#include "store_fixture.h"

#include "hark/exchange_view.h"
#include "hark/store_note.h"
#include "hark/timing_view.h"

#include <locale.h>

static struct exchange_row *timed_row(void)
{
    struct exchange_row *row = fixture_row(1);
    row->duration_us = 100000;
    row->timing = (struct row_timing){.dns_us = -1,
                                      .connect_us = 25000,
                                      .tls_us = -1,
                                      .send_us = 0,
                                      .wait_us = 25000,
                                      .receive_us = 50000};
    return row;
}

static void put_segments(struct fixture *fixture, int64_t count)
{
    struct err err = {0};
    fixture_must(store_writer_begin(fixture->writer, &err), &err);
    for (int64_t seq = 0; seq < count; seq++) {
        struct chunk *chunk = fixture_chunk("abcd", 4, 50000 + seq * 50000 / count);
        fixture_must(store_writer_put_body(fixture->writer, 1, BODY_RESPONSE, seq, chunk, &err),
                     &err);
        chunk_unref(chunk);
    }
    fixture_must(store_writer_commit(fixture->writer, &err), &err);
}

static char *timing_of(struct fixture *fixture, const struct exchange_row *row,
                       struct terminal terminal)
{
    char *text = NULL;
    size_t length;
    struct text_writer writer = {.out = open_memstream(&text, &length),
                                 .terminal = terminal,
                                 .now_us = row->started_us + 200000};
    struct store_reader *reader = fixture_reader(fixture);
    struct err err = {0};
    assert_int_equal(timing_write(&writer, reader, row, &err), 0);
    store_reader_close(reader);
    fclose(writer.out);
    return text;
}

static void assert_timing(struct fixture *fixture, struct exchange_row *row, const char *expected)
{
    fixture_put(fixture, row);
    char *text = timing_of(fixture, row, (struct terminal){.columns = 80});
    assert_string_equal(text, expected);
    free(text);
    row_destroy(row);
}

static void test_phases_follow_each_other_above_the_segments(void **state)
{
    struct fixture *fixture = *state;
    put_segments(fixture, 2);
    assert_timing(fixture, timed_row(),
                  "connect             25ms                 █████████\n"
                  "send               0.0ms                          ▏\n"
                  "wait                25ms                          ██████████\n"
                  "receive             50ms                                    "
                  "███████████████████\n"
                  "total              100ms                 "
                  "██████████████████████████████████████\n"
                  "\n"
                  "BODY      PIECE       AT    AFTER  SIZE\n"
                  "response      0     50ms              4                     ▏\n"
                  "response      1     75ms    +25ms     4                              ▏\n");
}

static void test_what_goes_on_has_no_total(void **state)
{
    struct fixture *fixture = *state;
    struct exchange_row *row = fixture_row(1);
    row->state = ROW_STATE_PENDING;
    row->duration_us = -1;
    row->timing = (struct row_timing){.dns_us = -1,
                                      .connect_us = 100000,
                                      .tls_us = -1,
                                      .send_us = -1,
                                      .wait_us = -1,
                                      .receive_us = -1};
    assert_timing(fixture, row,
                  "connect            100ms                 ███████████████████\n"
                  "total          not ended yet\n");
}

static void test_long_stream_is_summed_up_and_fits_80_columns(void **state)
{
    struct fixture *fixture = *state;
    struct exchange_row *row = timed_row();
    fixture_put(fixture, row);
    put_segments(fixture, 5000);
    char *text = timing_of(fixture, row, (struct terminal){.columns = 80});
    assert_contains(text, "… and 4800 more, 19k, the last at 100ms (-o tsv lists them all)\n");
    int lines = 0;
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n")) != NULL; lines++)
        assert_true(safe_text_columns(line, strlen(line)) <= 80);
    assert_int_equal(lines, 5 + 2 + 200 + 1 + 1);
    free(text);
    row_destroy(row);
}

static void test_colour_is_ended_in_each_line(void **state)
{
    struct fixture *fixture = *state;
    struct exchange_row *row = timed_row();
    fixture_put(fixture, row);
    put_segments(fixture, 3);
    char *text = timing_of(fixture, row, (struct terminal){.has_color = true, .columns = 80});
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;)
        if (strchr(line, '\033') != NULL)
            assert_string_equal(line + strlen(line) - 4, "\033[0m");
    free(text);
    row_destroy(row);
}

static void test_notes_are_shown_and_cannot_steer_the_terminal(void **state)
{
    struct fixture *fixture = *state;
    struct exchange_row *row = fixture_row(1);
    fixture_put(fixture, row);
    struct store_note note = {.exchange_id = 1,
                              .sets_mark = true,
                              .is_marked = true,
                              .sets_text = true,
                              .text = "see\033[2J this"};
    struct err err = {0};
    assert_int_equal(store_run_here(fixture->writer, store_note_step, &note, &err), 0);
    char *text = NULL;
    size_t length;
    struct text_writer writer = {.out = open_memstream(&text, &length)};
    struct store_reader *reader = fixture_reader(fixture);
    assert_int_equal(exchange_walk(reader, row, &text_writer_stops, &writer, &err), 0);
    store_reader_close(reader);
    fclose(writer.out);
    assert_contains(text, "* marked\n* see");
    assert_null(strchr(text, '\033'));
    free(text);
    row_destroy(row);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)

int main(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        TEST(test_phases_follow_each_other_above_the_segments),
        TEST(test_what_goes_on_has_no_total),
        TEST(test_long_stream_is_summed_up_and_fits_80_columns),
        TEST(test_colour_is_ended_in_each_line),
        TEST(test_notes_are_shown_and_cannot_steer_the_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
