// SPDX-License-Identifier: MIT
// A follow and those who listen to it: each gets every row once, however slowly it reads.
#include "control/feed.h"
#include "store_fixture.h"
#include "stream_fixture.h"

#define PLENTY_BYTES ((int64_t)64 * 1024 * 1024)
#define LONG_PATH    ((size_t)60 * 1024)

struct listening {
    struct fixture *fixture;
    struct store_reader *reader;
    struct feed *feed;
    struct served clients[2];
    size_t client_count;
};

static void join(struct listening *listening, struct feed *feed)
{
    struct served *client = &listening->clients[listening->client_count++];
    served_begin(client, "HTTP/1.0");
    feed_add(feed, stream_ref(client->stream));
}

static void begin(struct listening *listening, void **state, size_t clients, const char *position)
{
    *listening = (struct listening){.fixture = *state};
    listening->reader = fixture_reader(listening->fixture);
    listening->feed = feed_create("", NULL, true, position);
    for (size_t i = 0; i < clients; i++)
        join(listening, listening->feed);
}

static void end(struct listening *listening)
{
    feed_dismiss(listening->feed, true);
    feed_destroy(listening->feed);
    store_reader_close(listening->reader);
    for (size_t i = 0; i < listening->client_count; i++)
        served_end(&listening->clients[i]);
}

static void poll_feed(struct listening *listening, struct feed *feed, int64_t budget_bytes)
{
    struct err err = {0};
    if (feed_poll(feed, listening->reader, &budget_bytes, &err) != 0)
        fail_msg("%s", err.text);
}

static void put(struct listening *listening, int64_t id, size_t path_bytes)
{
    struct exchange_row *row = fixture_row(id);
    char *path = mem_calloc(1, path_bytes + 2);
    memset(path, '/', path_bytes + 1);
    row->path = path;
    fixture_put(listening->fixture, row);
    row_destroy(row);
    free(path);
}

// How often `text` is in what a client has got.
static int count_of(const struct served *client, const char *text)
{
    int count = 0;
    const char *at = client->got.data;
    const char *end = client->got.data + client->got.length;
    while ((at = memmem(at, (size_t)(end - at), text, strlen(text))) != NULL) {
        at++;
        count++;
    }
    return count;
}

static void assert_got(const struct served *client, int64_t first, int64_t last)
{
    for (int64_t id = first; id <= last; id++) {
        char data[32];
        snprintf(data, sizeof(data), "data: {\"id\":%d,", (int)id);
        if (count_of(client, data) != 1)
            fail_msg("%d came %d times", (int)id, count_of(client, data));
    }
}

static void test_a_listener_is_told_first_where_it_begins(void **state)
{
    struct listening listening;
    begin(&listening, state, 1, NULL);
    put(&listening, 3, 0);
    poll_feed(&listening, listening.feed, PLENTY_BYTES);
    served_read_until(&listening.clients[0], "\n\n");
    assert_int_equal(served_content_bytes(&listening.clients[0]),
                     strlen("retry: 1000\nid: 3;1-2\n\n"));
    assert_memory_equal(served_content(&listening.clients[0]), "retry: 1000\nid: 3;1-2\n\n", 23);
    assert_true(feed_is_level(listening.feed));
    end(&listening);
}

static void test_the_id_of_an_event_is_the_position_after_its_row(void **state)
{
    struct listening listening;
    begin(&listening, state, 1, NULL);
    poll_feed(&listening, listening.feed, PLENTY_BYTES);
    put(&listening, 1, 0);
    put(&listening, 2, 0);
    poll_feed(&listening, listening.feed, PLENTY_BYTES);
    struct served *client = &listening.clients[0];
    served_read_until(client, "}\n\n");
    while (count_of(client, "\nevent: exchange\n") < 2)
        assert_true(served_read_some(client));
    assert_int_equal(count_of(client, "id: 2;2\nevent: exchange\ndata: {\"id\":1,"), 1);
    assert_int_equal(count_of(client, "id: 2;\nevent: exchange\ndata: {\"id\":2,"), 1);
    end(&listening);
}

static void test_a_budget_ends_a_poll_and_the_next_goes_on(void **state)
{
    struct listening listening;
    begin(&listening, state, 1, NULL);
    poll_feed(&listening, listening.feed, PLENTY_BYTES);
    for (int64_t id = 1; id <= 3; id++)
        put(&listening, id, 0);
    for (int polls = 1; polls <= 3; polls++) {
        assert_int_equal(feed_is_level(listening.feed), polls == 1);
        poll_feed(&listening, listening.feed, 1);
    }
    assert_true(feed_is_level(listening.feed));
    stream_end(listening.clients[0].stream, true);
    served_read_all(&listening.clients[0]);
    assert_got(&listening.clients[0], 1, 3);
    end(&listening);
}

// One reads, the other does not: it goes on by itself from before the row that it could not take.
static void test_a_slow_listener_holds_nobody_up_and_misses_nothing(void **state)
{
    struct listening listening;
    begin(&listening, state, 2, NULL);
    struct served *quick = &listening.clients[0];
    struct served *slow = &listening.clients[1];
    poll_feed(&listening, listening.feed, PLENTY_BYTES);
    int64_t last = 0;
    while (listening.feed->behind == NULL) {
        assert_true(last < 50);
        put(&listening, ++last, LONG_PATH);
        poll_feed(&listening, listening.feed, PLENTY_BYTES);
        while (!stream_is_empty(quick->stream))
            assert_true(served_read_some(quick));
    }
    struct feed *own = listening.feed->behind;
    listening.feed->behind = NULL;
    assert_null(own->next);
    assert_false(feed_is_same(listening.feed, own));
    // Until it has read what it has, it is not asked for more.
    poll_feed(&listening, own, PLENTY_BYTES);
    assert_null(own->follow);
    while (!stream_is_empty(slow->stream))
        assert_true(served_read_some(slow));
    poll_feed(&listening, own, PLENTY_BYTES);
    assert_true(feed_is_same(listening.feed, own));
    feed_merge(listening.feed, own, false);
    feed_destroy(own);
    put(&listening, ++last, 0);
    poll_feed(&listening, listening.feed, PLENTY_BYTES);
    for (size_t i = 0; i < 2; i++) {
        stream_end(listening.clients[i].stream, true);
        served_read_all(&listening.clients[i]);
        assert_got(&listening.clients[i], 1, last);
    }
    end(&listening);
}

static void test_feeds_of_another_wish_are_not_the_same(void **state)
{
    struct listening listening;
    begin(&listening, state, 1, NULL);
    assert_true(feed_is_for(listening.feed, "", true));
    assert_false(feed_is_for(listening.feed, "", false));
    assert_false(feed_is_for(listening.feed, "status:500", true));
    struct feed *other = feed_create("status:500", NULL, true, NULL);
    poll_feed(&listening, listening.feed, PLENTY_BYTES);
    poll_feed(&listening, other, PLENTY_BYTES);
    assert_false(feed_is_same(listening.feed, other));
    feed_destroy(other);
    end(&listening);
}

static void test_one_that_hears_nothing_is_sent_a_comment(void **state)
{
    struct listening listening;
    begin(&listening, state, 1, NULL);
    poll_feed(&listening, listening.feed, PLENTY_BYTES);
    int64_t now_us = clock_monotonic_us();
    assert_int_equal(feed_tend(listening.feed, now_us), 1);
    assert_int_equal(feed_tend(listening.feed, now_us + 16 * (int64_t)1000000), 1);
    stream_end(listening.clients[0].stream, true);
    served_read_all(&listening.clients[0]);
    assert_int_equal(count_of(&listening.clients[0], "\n\n:\nid: 0;\n\n"), 1);
    end(&listening);
}

static void test_one_that_has_left_is_let_go(void **state)
{
    struct listening listening;
    begin(&listening, state, 1, NULL);
    poll_feed(&listening, listening.feed, PLENTY_BYTES);
    served_read_until(&listening.clients[0], "\n\n");
    served_leave(&listening.clients[0]);
    WAIT_UNTIL(feed_tend(listening.feed, clock_monotonic_us()) == 0);
    assert_null(listening.feed->listeners);
    end(&listening);
}

static void test_one_that_does_not_read_for_long_is_let_go(void **state)
{
    struct listening listening;
    begin(&listening, state, 1, "0;");
    for (int64_t id = 1; id <= 10; id++)
        put(&listening, id, LONG_PATH);
    poll_feed(&listening, listening.feed, PLENTY_BYTES);
    struct feed *own = listening.feed->behind;
    assert_non_null(own);
    listening.feed->behind = NULL;
    // What the socket takes in has been taken once this stands still.
    int64_t now_us = clock_monotonic_us();
    uint64_t sent_bytes;
    do {
        sent_bytes = own->listeners->sent_bytes;
        assert_int_equal(feed_tend(own, now_us), 1);
    } while (own->listeners->sent_bytes != sent_bytes || sent_bytes == 0);
    assert_int_equal(feed_tend(own, now_us + 19 * (int64_t)1000000), 1);
    assert_int_equal(feed_tend(own, now_us + 60 * (int64_t)1000000), 0);
    feed_destroy(own);
    end(&listening);
}

static void test_what_cannot_be_a_filter_ends_the_poll(void **state)
{
    struct listening listening;
    begin(&listening, state, 0, NULL);
    struct feed *wrong = feed_create("status:", NULL, true, NULL);
    struct err err = {0};
    int64_t budget_bytes = PLENTY_BYTES;
    assert_int_equal(feed_poll(wrong, listening.reader, &budget_bytes, &err), -1);
    assert_true(err.is_set);
    feed_destroy(wrong);
    end(&listening);
}

#define FEED_TEST(function) \
    cmocka_unit_test_setup_teardown(function, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FEED_TEST(test_a_listener_is_told_first_where_it_begins),
        FEED_TEST(test_the_id_of_an_event_is_the_position_after_its_row),
        FEED_TEST(test_a_budget_ends_a_poll_and_the_next_goes_on),
        FEED_TEST(test_a_slow_listener_holds_nobody_up_and_misses_nothing),
        FEED_TEST(test_feeds_of_another_wish_are_not_the_same),
        FEED_TEST(test_one_that_hears_nothing_is_sent_a_comment),
        FEED_TEST(test_one_that_has_left_is_let_go),
        FEED_TEST(test_one_that_does_not_read_for_long_is_let_go),
        FEED_TEST(test_what_cannot_be_a_filter_ends_the_poll),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
