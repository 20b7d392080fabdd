// SPDX-License-Identifier: MIT
// Chunks: what they hold, how much at most, and who keeps them alive.
#include "hark/chunk.h"

// cmocka wants these first.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static void test_new_chunk_is_open_and_empty(void **state)
{
    (void)state;
    struct chunk *chunk = chunk_create(1000, 42);
    assert_false(chunk->is_sealed);
    assert_int_equal(chunk->length, 0);
    assert_int_equal(chunk->at_us, 42);
    assert_in_range(chunk->capacity, 1000, CHUNK_MAX_BYTES);
    chunk_unref(chunk);
}

static void test_chunk_grows_beyond_the_hint(void **state)
{
    (void)state;
    struct chunk *chunk = chunk_create(1, 0);
    for (int i = 0; i < 10000; i++) {
        const char pair[] = {(char)i, (char)(i >> 8)};
        assert_int_equal(chunk_append(chunk, pair, 2), 2);
    }
    assert_int_equal(chunk->length, 20000);
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(chunk->data[2 * i], i & 0xff);
        assert_int_equal(chunk->data[2 * i + 1], i >> 8);
    }
    chunk_unref(chunk);
}

static void test_full_chunk_takes_only_what_fits(void **state)
{
    (void)state;
    size_t size = CHUNK_MAX_BYTES - 10;
    char *bytes = calloc(1, size);
    struct chunk *chunk = chunk_create(0, 0);
    assert_int_equal(chunk_append(chunk, bytes, size), size);
    assert_int_equal(chunk_append(chunk, "0123456789abcdef", 16), 10);
    assert_int_equal(chunk->length, CHUNK_MAX_BYTES);
    assert_memory_equal(chunk->data + size, "0123456789", 10);
    assert_int_equal(chunk_append(chunk, "x", 1), 0);
    chunk_unref(chunk);
    free(bytes);
}

static void test_memory_is_bounded_whatever_the_hint(void **state)
{
    (void)state;
    struct chunk *chunk = chunk_create((size_t)1 << 40, 0);
    assert_int_equal(chunk->capacity, CHUNK_MAX_BYTES);
    chunk_unref(chunk);
    // Not a power of two: doubling it would pass the limit.
    chunk = chunk_create(100000, 0);
    char *bytes = calloc(1, CHUNK_MAX_BYTES);
    chunk_append(chunk, bytes, CHUNK_MAX_BYTES);
    assert_int_equal(chunk->capacity, CHUNK_MAX_BYTES);
    chunk_unref(chunk);
    free(bytes);
}

static void test_chunk_lives_until_its_last_reference_goes(void **state)
{
    (void)state;
    struct chunk *chunk = chunk_create(0, 0);
    chunk_append(chunk, "body", 4);
    chunk_seal(chunk);
    assert_ptr_equal(chunk_ref(chunk), chunk);
    chunk_unref(chunk);
    assert_true(chunk->is_sealed);
    assert_memory_equal(chunk->data, "body", 4);
    chunk_unref(chunk);
}

static void test_unref_takes_null(void **state)
{
    (void)state;
    chunk_unref(NULL);
}

static pthread_barrier_t all_started;

static void *take_and_drop_references(void *chunk)
{
    pthread_barrier_wait(&all_started);
    for (int i = 0; i < 50000; i++)
        chunk_unref(chunk_ref(chunk));
    return NULL;
}

static void test_references_are_counted_across_threads(void **state)
{
    (void)state;
    struct chunk *chunk = chunk_create(0, 0);
    chunk_seal(chunk);
    pthread_t threads[4];
    pthread_barrier_init(&all_started, NULL, 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_drop_references, chunk), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&all_started);
    assert_int_equal(atomic_load(&chunk->refs), 1);
    chunk_unref(chunk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_chunk_is_open_and_empty),
        cmocka_unit_test(test_chunk_grows_beyond_the_hint),
        cmocka_unit_test(test_full_chunk_takes_only_what_fits),
        cmocka_unit_test(test_memory_is_bounded_whatever_the_hint),
        cmocka_unit_test(test_chunk_lives_until_its_last_reference_goes),
        cmocka_unit_test(test_unref_takes_null),
        cmocka_unit_test(test_references_are_counted_across_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
