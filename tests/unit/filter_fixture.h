// SPDX-License-Identifier: MIT
// What tests of filters share: which exchanges of a fixture's recording match.
#ifndef HARK_TESTS_FILTER_FIXTURE_H
#define HARK_TESTS_FILTER_FIXTURE_H

#include "store_fixture.h"

static inline int filter_fixture_on_row(void *ctx, size_t count, const char *const *names,
                                        const struct value *values)
{
    struct buffer *ids = ctx;
    (void)names;
    assert_true(count > 0);
    buffer_printf(ids, "%s%lld", ids->length == 0 ? "" : " ", (long long)values[0].integer);
    return 0;
}

static inline void assert_filter_lists(struct fixture *fixture, const char *text,
                                       const struct store_list_options *options,
                                       const char *expected)
{
    struct err err = {0};
    struct buffer ids = {0};
    struct store_reader *reader = fixture_reader(fixture);
    if (store_list_traffic(reader, options, NULL, filter_fixture_on_row, &ids, &err) != 0)
        fail_msg("%s\n%s", err.text, text);
    const char *found = ids.length == 0 ? "" : ids.data;
    if (strcmp(found, expected) != 0)
        fail_msg("%s matches %s and not %s", text, found, expected);
    store_reader_close(reader);
    buffer_fini(&ids);
}

// The ids that match, joined by spaces, looked for from both ends.
static inline void assert_filter(struct fixture *fixture, const char *text, const char *expected)
{
    struct err err = {0};
    struct filter *filter = filter_create(&text, 1, &err);
    if (filter == NULL)
        fail_msg("%s", err.text);
    assert_filter_lists(fixture, text, &(struct store_list_options){.filter = filter}, expected);
    assert_filter_lists(fixture, text,
                        &(struct store_list_options){.filter = filter, .limit = 1000}, expected);
    filter_destroy(filter);
}

static inline void assert_filter_mistake(const char *text, const char *message)
{
    struct err err = {0};
    struct filter *filter = filter_create(&text, 1, &err);
    if (filter != NULL)
        fail_msg("%s is taken", text);
    if (strcmp(err.text, message) != 0)
        fail_msg("%s\n  is answered %s\n  and not     %s", text, err.text, message);
}

#endif
