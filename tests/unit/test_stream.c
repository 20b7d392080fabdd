// SPDX-License-Identifier: MIT
// Bytes of an answer between the thread that makes it and libmicrohttpd's.
#include "stream_fixture.h"

#include <pthread.h>

#define PIECE_BYTES ((size_t)64 * 1024)
#define MANY_PIECES 40 // much more than a stream and the socket hold

static char piece[PIECE_BYTES];

static void fill_piece(int number)
{
    memset(piece, 'a' + number % 26, sizeof(piece));
}

static void assert_pieces(const struct served *served, int count)
{
    assert_int_equal(served_content_bytes(served), (size_t)count * PIECE_BYTES);
    for (int i = 0; i < count; i++) {
        fill_piece(i);
        assert_memory_equal(served_content(served) + (size_t)i * PIECE_BYTES, piece, PIECE_BYTES);
    }
}

static void test_what_was_written_before_the_answer_began_is_in_it(void **state)
{
    (void)state;
    struct served served;
    struct buffer content = {0};
    served_begin(&served, "HTTP/1.0");
    buffer_append_text(&content, "first ");
    stream_begin(served.stream, &content);
    assert_null(content.data);
    assert_int_equal(stream_write(served.stream, "second", 6), 0);
    stream_end(served.stream, true);
    served_read_all(&served);
    assert_int_equal(served_content_bytes(&served), 12);
    assert_memory_equal(served_content(&served), "first second", 12);
    assert_false(stream_await_begin(served.stream));
    served_end(&served);
}

static void *write_many(void *ctx)
{
    struct served *served = ctx;
    for (int i = 0; i < MANY_PIECES; i++) {
        char own[PIECE_BYTES];
        memset(own, 'a' + i % 26, sizeof(own));
        if (stream_write(served->stream, own, sizeof(own)) != 0)
            return served;
    }
    stream_end(served->stream, true);
    return NULL;
}

static void test_more_than_it_holds_arrives_whole_and_in_order(void **state)
{
    (void)state;
    struct served served;
    pthread_t writer;
    void *failed;
    served_begin(&served, "HTTP/1.0");
    assert_int_equal(pthread_create(&writer, NULL, write_many, &served), 0);
    served_read_all(&served);
    pthread_join(writer, &failed);
    assert_null(failed);
    assert_pieces(&served, MANY_PIECES);
    assert_int_equal(stream_sent_bytes(served.stream), MANY_PIECES * PIECE_BYTES);
    assert_true(stream_is_empty(served.stream));
    served_end(&served);
}

static int offer_until_full(struct served *served, int first)
{
    for (int i = first; i < MANY_PIECES; i++) {
        fill_piece(i);
        enum stream_result result = stream_offer(served->stream, piece, sizeof(piece));
        if (result == STREAM_FULL)
            return i;
        assert_int_equal(result, STREAM_TAKEN);
    }
    fail_msg("it is never full");
    return 0;
}

static void test_what_finds_no_room_is_not_taken(void **state)
{
    (void)state;
    struct served served;
    served_begin(&served, "HTTP/1.0");
    int taken = offer_until_full(&served, 0);
    assert_true((size_t)taken >= STREAM_BYTES / PIECE_BYTES);
    served_read_bytes(&served, (size_t)taken * PIECE_BYTES);
    assert_pieces(&served, taken);
    WAIT_UNTIL(stream_is_empty(served.stream));
    int more = offer_until_full(&served, taken);
    assert_true(more > taken);
    stream_end(served.stream, true);
    served_read_all(&served);
    assert_pieces(&served, more);
    served_end(&served);
}

static void test_an_empty_one_takes_any_length(void **state)
{
    (void)state;
    struct served served;
    char *large = mem_calloc(1, 2 * STREAM_BYTES);
    served_begin(&served, "HTTP/1.0");
    assert_int_equal(stream_offer(served.stream, large, 2 * STREAM_BYTES), STREAM_TAKEN);
    assert_int_equal(stream_offer(served.stream, large, 1), STREAM_FULL);
    served_read_bytes(&served, 2 * STREAM_BYTES);
    free(large);
    served_end(&served);
}

static void test_who_waits_for_room_is_freed_when_the_client_leaves(void **state)
{
    (void)state;
    struct served served;
    pthread_t writer;
    void *failed;
    served_begin(&served, "HTTP/1.0");
    assert_int_equal(pthread_create(&writer, NULL, write_many, &served), 0);
    served_read_bytes(&served, PIECE_BYTES);
    served_leave(&served);
    pthread_join(writer, &failed);
    assert_non_null(failed);
    assert_int_equal(stream_offer(served.stream, "x", 1), STREAM_GONE);
    assert_true(stream_is_unwanted(served.stream));
    served_end(&served);
}

static void test_a_client_that_leaves_while_nothing_is_sent_is_missed(void **state)
{
    (void)state;
    struct served served;
    served_begin(&served, "HTTP/1.0");
    stream_begin(served.stream, NULL);
    assert_int_equal(stream_write(served.stream, "x", 1), 0);
    served_read_bytes(&served, 1);
    assert_false(stream_is_unwanted(served.stream));
    served_leave(&served);
    WAIT_UNTIL(stream_is_unwanted(served.stream));
    served_end(&served);
}

static void test_only_a_whole_answer_has_an_end(void **state)
{
    (void)state;
    for (int is_whole = 0; is_whole <= 1; is_whole++) {
        struct served served;
        served_begin(&served, "HTTP/1.1");
        assert_int_equal(stream_write(served.stream, "text", 4), 0);
        served_read_bytes(&served, strlen("4\r\ntext\r\n"));
        stream_end(served.stream, is_whole);
        if (is_whole) {
            served_read_until(&served, "\r\n0\r\n\r\n");
        } else {
            served_read_all(&served);
            assert_int_equal(served_content_bytes(&served), strlen("4\r\ntext\r\n"));
        }
        served_end(&served);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_written_before_the_answer_began_is_in_it),
        cmocka_unit_test(test_more_than_it_holds_arrives_whole_and_in_order),
        cmocka_unit_test(test_what_finds_no_room_is_not_taken),
        cmocka_unit_test(test_an_empty_one_takes_any_length),
        cmocka_unit_test(test_who_waits_for_room_is_freed_when_the_client_leaves),
        cmocka_unit_test(test_a_client_that_leaves_while_nothing_is_sent_is_missed),
        cmocka_unit_test(test_only_a_whole_answer_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
