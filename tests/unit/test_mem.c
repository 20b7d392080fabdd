// SPDX-License-Identifier: MIT
// Allocation that ends the process when there is no memory, and the arena.
#include "hark/mem.h"

// cmocka wants these first.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <malloc.h>
#include <signal.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

// No address space holds this much.
#define TOO_MANY_BYTES ((size_t)1 << 60)

// The sanitizers end the process themselves when an allocation fails, unless told otherwise.
const char *__asan_default_options(void);
const char *__tsan_default_options(void);

const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static void test_calloc_zeroes(void **state)
{
    (void)state;
    static const unsigned char zeroes[300];
    unsigned char *memory = mem_calloc(3, 100);
    assert_memory_equal(memory, zeroes, sizeof(zeroes));
    free(memory);
}

static void test_realloc_keeps_the_content(void **state)
{
    (void)state;
    char *text = mem_strdup("hark");
    text = mem_realloc(text, 100000);
    assert_string_equal(text, "hark");
    free(text);
}

static void test_strndup_stops_at_the_length_and_at_nul(void **state)
{
    (void)state;
    char *cut = mem_strndup("example.com:80", 11);
    char *whole = mem_strndup("a", 11);
    assert_string_equal(cut, "example.com");
    assert_string_equal(whole, "a");
    free(cut);
    free(whole);
}

static void test_printf_formats(void **state)
{
    (void)state;
    char *text = mem_printf("%s:%d", "example.com", 80);
    assert_string_equal(text, "example.com:80");
    free(text);
}

static void allocate_too_much(int stderr_fd)
{
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    signal(SIGABRT, SIG_DFL);
    dup2(stderr_fd, STDERR_FILENO);
    free(mem_calloc(1, TOO_MANY_BYTES));
    _exit(0);
}

static void test_no_memory_is_said_and_aborts(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        allocate_too_much(ends[1]);
    close(ends[1]);
    char said[4096] = "";
    size_t length = 0;
    ssize_t count;
    while ((count = read(ends[0], said + length, sizeof(said) - 1 - length)) > 0)
        length += (size_t)count;
    close(ends[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(said, "out of memory"));
}

// --- arena -------------------------------------------------------------------------------------

static void test_arena_memory_is_zeroed_and_aligned_for_any_type(void **state)
{
    (void)state;
    static const unsigned char zeroes[64];
    struct arena arena = {0};
    for (size_t size = 1; size <= sizeof(zeroes); size++) {
        arena_strdup(&arena, "odd"); // so that the next one does not lie aligned by chance
        unsigned char *memory = arena_alloc(&arena, size);
        assert_int_equal((uintptr_t)memory % alignof(max_align_t), 0);
        assert_memory_equal(memory, zeroes, size);
        memset(memory, 0xff, size);
    }
    arena_fini(&arena);
}

static void test_arena_memory_stays_in_place_while_it_grows(void **state)
{
    (void)state;
    enum {
        COUNT = 2000
    };
    struct arena arena = {0};
    const char *texts[COUNT];
    for (int i = 0; i < COUNT; i++)
        texts[i] = arena_printf(&arena, "field %d", i);
    for (int i = 0; i < COUNT; i++) {
        char expected[32];
        snprintf(expected, sizeof(expected), "field %d", i);
        assert_string_equal(texts[i], expected);
    }
    arena_fini(&arena);
}

static void test_arena_takes_what_is_larger_than_its_blocks(void **state)
{
    (void)state;
    enum {
        LARGE = 1000000
    };
    struct arena arena = {0};
    char *before = arena_strdup(&arena, "before");
    char *large = arena_alloc(&arena, LARGE);
    memset(large, 'x', LARGE);
    char *after = arena_strdup(&arena, "after");
    assert_string_equal(before, "before");
    assert_string_equal(after, "after");
    assert_int_equal(large[LARGE - 1], 'x');
    arena_fini(&arena);
}

static void test_arena_strndup_copies_nul_bytes_too(void **state)
{
    (void)state;
    struct arena arena = {0};
    char *copy = arena_strndup(&arena, "a\0b rest", 3);
    assert_memory_equal(copy, "a\0b", 4);
    arena_fini(&arena);
}

static void test_arena_strndup_takes_an_empty_buffer(void **state)
{
    (void)state;
    struct arena arena = {0};
    assert_string_equal(arena_strndup(&arena, NULL, 0), "");
    arena_fini(&arena);
}

static void test_arena_strdup_of_null_is_null(void **state)
{
    (void)state;
    struct arena arena = {0};
    assert_null(arena_strdup(&arena, NULL));
    arena_fini(&arena);
}

static void test_arena_accounts_for_what_it_holds(void **state)
{
    (void)state;
    struct arena arena = {0};
    for (int i = 0; i < 100; i++)
        arena_alloc(&arena, 1000);
    assert_in_range(arena.bytes, 100000, 400000);
    arena_fini(&arena);
    assert_int_equal(arena.bytes, 0);
}

static void test_arena_can_be_used_again_after_its_end(void **state)
{
    (void)state;
    struct arena arena = {0};
    arena_fini(&arena);
    arena_strdup(&arena, "first life");
    arena_fini(&arena);
    assert_string_equal(arena_strdup(&arena, "second life"), "second life");
    arena_fini(&arena);
}

static size_t resident_bytes(void)
{
    size_t all = 0;
    size_t resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%zu %zu", &all, &resident), 2);
    fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static void test_memory_below_what_lives_long_is_given_back(void **state)
{
    (void)state;
    enum {
        COUNT = 2000,
        BYTES = 20000
    };
    static void *burst[COUNT];
    if (mallinfo2().uordblks == 0)
        skip(); // a sanitizer's allocator, with ways of its own
    for (size_t i = 0; i < COUNT; i++)
        burst[i] = memset(mem_realloc(NULL, BYTES), 1, BYTES);
    void *long_lived = burst[COUNT - 1]; // at the end of the heap
    for (size_t i = 0; i < COUNT - 1; i++)
        free(burst[i]);
    size_t before = resident_bytes();
    mem_give_back();
    assert_true(resident_bytes() + (size_t)COUNT * BYTES / 2 < before);
    free(long_lived);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calloc_zeroes),
        cmocka_unit_test(test_realloc_keeps_the_content),
        cmocka_unit_test(test_strndup_stops_at_the_length_and_at_nul),
        cmocka_unit_test(test_printf_formats),
        cmocka_unit_test(test_memory_below_what_lives_long_is_given_back),
        cmocka_unit_test(test_no_memory_is_said_and_aborts),
        cmocka_unit_test(test_arena_memory_is_zeroed_and_aligned_for_any_type),
        cmocka_unit_test(test_arena_memory_stays_in_place_while_it_grows),
        cmocka_unit_test(test_arena_takes_what_is_larger_than_its_blocks),
        cmocka_unit_test(test_arena_strndup_copies_nul_bytes_too),
        cmocka_unit_test(test_arena_strndup_takes_an_empty_buffer),
        cmocka_unit_test(test_arena_strdup_of_null_is_null),
        cmocka_unit_test(test_arena_accounts_for_what_it_holds),
        cmocka_unit_test(test_arena_can_be_used_again_after_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
