// SPDX-License-Identifier: MIT
// Content codings undone as a stream: every coding, in pieces of every size, whole and damaged.
#include "hark/buffer.h"
#include "hark/coding.h"

// cmocka wants these first.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

// "hark hark hark\n" as made by brotli(1).
static const unsigned char br_text[] = {0x0b, 0x07, 0x80, 0x68, 0x61, 0x72, 0x6b, 0x20, 0x68, 0x61,
                                        0x72, 0x6b, 0x20, 0x68, 0x61, 0x72, 0x6b, 0x0a, 0x03};

// A million times "h".
#define BR_LONG_BYTES 1000000
static const unsigned char br_long[] = {0x5b, 0x3f, 0x42, 0x8f, 0x5f, 0x02, 0x2d,
                                        0x1e, 0x0b, 0x04, 0xf2, 0x73, 0x1e, 0x00};

static int collect(void *ctx, const void *data, size_t length)
{
    buffer_append(ctx, data, length);
    return 0;
}

// Decodes in pieces of `piece` bytes. The caller ends `out`.
static int decode(const char *coding, const void *data, size_t length, size_t piece,
                  struct buffer *out, struct err *err)
{
    struct decoder *decoder = decoder_create(coding, err);
    if (!decoder)
        return -1;
    int rc = 0;
    const char *rest = data;
    while (rc == 0 && length > 0) {
        size_t now = piece < length ? piece : length;
        rc = decoder_write(decoder, rest, now, collect, out, err);
        rest += now;
        length -= now;
    }
    if (rc == 0)
        rc = decoder_finish(decoder, err);
    decoder_destroy(decoder);
    return rc;
}

static struct buffer deflated(const void *data, size_t length, int window_bits)
{
    struct buffer out = {0};
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY),
                     Z_OK);
    size_t room = deflateBound(&stream, length) + 64;
    stream.next_in = (Bytef *)(uintptr_t)data;
    stream.avail_in = (uInt)length;
    stream.next_out = (Bytef *)buffer_reserve(&out, room);
    stream.avail_out = (uInt)room;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    out.length = stream.total_out;
    deflateEnd(&stream);
    return out;
}

static struct buffer zstd_coded(const void *data, size_t length)
{
    struct buffer out = {0};
    size_t room = ZSTD_compressBound(length);
    out.length = ZSTD_compress(buffer_reserve(&out, room), room, data, length, 3);
    return out;
}

// Half of it repeats and half does not, so that decoders have both literals and matches.
static struct buffer sample(size_t length)
{
    struct buffer out = {0};
    uint32_t state = 1;
    while (out.length < length) {
        state = state * 1664525 + 1013904223;
        buffer_append_char(&out, (char)(out.length % 1000 < 500 ? 'a' : state >> 24));
    }
    return out;
}

static void assert_decodes(const char *coding, const struct buffer *coded,
                           const struct buffer *expected)
{
    static const size_t pieces[] = {1, 7, 4096, SIZE_MAX};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        struct buffer out = {0};
        struct err err = {0};
        assert_int_equal(decode(coding, coded->data, coded->length, pieces[i], &out, &err), 0);
        assert_int_equal(out.length, expected->length);
        assert_memory_equal(out.data, expected->data, expected->length);
        buffer_fini(&out);
    }
}

static void test_every_zlib_coding_decodes_in_pieces_of_any_size(void **state)
{
    (void)state;
    static const struct {
        const char *coding;
        int window_bits;
    } cases[] = {{"gzip", 31}, {"x-gzip", 31}, {"GZip", 31}, {"deflate", 15}, {"deflate", -15}};
    struct buffer text = sample(300000);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buffer coded = deflated(text.data, text.length, cases[i].window_bits);
        assert_decodes(cases[i].coding, &coded, &text);
        buffer_fini(&coded);
    }
    buffer_fini(&text);
}

static void test_zstd_decodes_in_pieces_of_any_size(void **state)
{
    (void)state;
    struct buffer text = sample(300000);
    struct buffer coded = zstd_coded(text.data, text.length);
    assert_decodes("zstd", &coded, &text);
    buffer_fini(&coded);
    buffer_fini(&text);
}

static void test_br_decodes_in_pieces_of_any_size(void **state)
{
    (void)state;
    struct buffer expected = {0}, coded = {0};
    buffer_append_text(&expected, "hark hark hark\n");
    buffer_append(&coded, br_text, sizeof br_text);
    assert_decodes("br", &coded, &expected);
    buffer_fini(&expected);
    buffer_fini(&coded);
}

static void test_a_list_is_undone_from_its_end(void **state)
{
    (void)state;
    struct buffer text = sample(100000);
    struct buffer once = zstd_coded(text.data, text.length);
    struct buffer twice = deflated(once.data, once.length, 31);
    assert_decodes("zstd, gzip", &twice, &text);
    assert_decodes("identity,\tzstd ,, gzip", &twice, &text);
    buffer_fini(&text);
    buffer_fini(&once);
    buffer_fini(&twice);
}

static void test_identity_passes_everything(void **state)
{
    (void)state;
    struct buffer text = sample(1000);
    assert_decodes(NULL, &text, &text);
    assert_decodes("", &text, &text);
    assert_decodes("identity", &text, &text);
    buffer_fini(&text);
}

static void test_gzip_members_follow_each_other(void **state)
{
    (void)state;
    struct buffer text = sample(70000), twice = {0};
    struct buffer coded = deflated(text.data, text.length, 31);
    buffer_append(&twice, coded.data, coded.length);
    buffer_append(&twice, coded.data, coded.length);
    size_t length = text.length;
    struct buffer expected = {0};
    buffer_append(&expected, text.data, length);
    buffer_append(&expected, text.data, length);
    assert_decodes("gzip", &twice, &expected);
    buffer_fini(&text);
    buffer_fini(&coded);
    buffer_fini(&twice);
    buffer_fini(&expected);
}

static void test_no_bytes_are_no_error(void **state)
{
    (void)state;
    struct buffer out = {0};
    struct err err = {0};
    assert_int_equal(decode("gzip", "", 0, 1, &out, &err), 0);
    assert_int_equal(decode("br", "", 0, 1, &out, &err), 0);
    assert_int_equal(out.length, 0);
    buffer_fini(&out);
}

static void test_what_breaks_off_is_delivered_as_far_as_it_goes(void **state)
{
    (void)state;
    struct buffer text = sample(300000);
    struct buffer coded = deflated(text.data, text.length, 31);
    struct buffer out = {0};
    struct err err = {0};
    assert_int_equal(decode("gzip", coded.data, coded.length / 2, 4096, &out, &err), -1);
    assert_non_null(strstr(err.text, "gzip: breaks off after"));
    assert_true(out.length > 50000);
    assert_memory_equal(out.data, text.data, out.length);
    buffer_fini(&out);
    buffer_fini(&coded);
    buffer_fini(&text);
}

static void test_corruption_says_where_and_keeps_what_came_before(void **state)
{
    (void)state;
    struct buffer text = sample(300000);
    struct buffer coded = deflated(text.data, text.length, 31);
    coded.data[coded.length - 8] ^= 1; // the check sum (RFC 1952 section 2.3.1)
    struct buffer out = {0};
    struct err err = {0};
    assert_int_equal(decode("gzip", coded.data, coded.length, SIZE_MAX, &out, &err), -1);
    assert_non_null(strstr(err.text, "gzip: corrupt after"));
    assert_int_equal(out.length, text.length);
    assert_memory_equal(out.data, text.data, text.length);
    buffer_fini(&out);
    buffer_fini(&coded);
    buffer_fini(&text);
}

static void test_bytes_after_the_end_are_named(void **state)
{
    (void)state;
    struct buffer coded = {0}, out = {0};
    buffer_append(&coded, br_text, sizeof br_text);
    buffer_append_text(&coded, "x");
    struct err err = {0};
    assert_int_equal(decode("br", coded.data, coded.length, 1, &out, &err), -1);
    assert_non_null(strstr(err.text, "after its end"));
    assert_int_equal(out.length, 15);
    buffer_fini(&coded);
    buffer_fini(&out);
}

static void test_unknown_codings_and_long_lists_are_refused(void **state)
{
    (void)state;
    struct err err = {0};
    assert_null(decoder_create("gzip, compress", &err));
    assert_string_equal(err.text, "decode: unknown content coding \"compress\"");
    err = (struct err){0};
    assert_null(decoder_create("gzip,gzip,gzip,gzip,gzip", &err));
    assert_true(err.is_set);
}

// Frames by hand (RFC 8878 section 3.1.1): magic number, no content size, the window, and one raw
// block with an "x" in it.
static int decode_zstd_frame(unsigned char first, unsigned char window, struct err *err)
{
    const unsigned char frame[] = {first, 0xb5, 0x2f, 0xfd, 0, window, 9, 0, 0, 'x'};
    struct buffer out = {0};
    int rc = decode("zstd", frame, sizeof frame, SIZE_MAX, &out, err);
    if (rc == 0) {
        assert_int_equal(out.length, 1);
        assert_int_equal(out.data[0], 'x');
    }
    buffer_fini(&out);
    return rc;
}

static void test_zstd_windows_over_8_mib_are_refused(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(decode_zstd_frame(0x28, (23 - 10) << 3, &err), 0);
    assert_int_equal(decode_zstd_frame(0x28, (24 - 10) << 3, &err), -1);
    assert_true(err.is_set);
}

// Magic numbers from 0xfd2fb522 on are those of formats before the standard one.
static void test_zstd_frames_of_other_formats_are_refused_at_once(void **state)
{
    (void)state;
    for (unsigned first = 0; first <= 0xff; first++) {
        const unsigned char head[] = {(unsigned char)first, 0xb5, 0x2f, 0xfd, 0, 0x58};
        struct err err = {0};
        struct buffer out = {0};
        struct decoder *decoder = decoder_create("zstd", &err);
        int rc = decoder_write(decoder, head, sizeof head, collect, &out, &err);
        if (rc != (first == 0x28 ? 0 : -1))
            fail_msg("%02x: %d", first, rc);
        decoder_destroy(decoder);
        buffer_fini(&out);
    }
}

static void test_zstd_frames_follow_each_other(void **state)
{
    (void)state;
    struct buffer coded = zstd_coded("hark ", 5);
    static const unsigned char skippable[] = {0x5f, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 0x22, 0x22};
    struct buffer second = zstd_coded("hark", 4);
    buffer_append(&coded, skippable, sizeof skippable);
    buffer_append(&coded, second.data, second.length);
    struct buffer expected = {0};
    buffer_append_text(&expected, "hark hark");
    assert_decodes("zstd", &coded, &expected);
    buffer_fini(&coded);
    buffer_fini(&second);
    buffer_fini(&expected);
}

// All of the input is taken long before all of the output has been given.
static void test_output_that_is_held_back_is_not_lost(void **state)
{
    (void)state;
    struct buffer expected = {0}, coded = {0};
    memset(buffer_reserve(&expected, BR_LONG_BYTES), 'h', BR_LONG_BYTES);
    expected.length = BR_LONG_BYTES;
    buffer_append(&coded, br_long, sizeof br_long);
    assert_decodes("br", &coded, &expected);
    buffer_fini(&coded);
    buffer_fini(&expected);
}

static int collect_and_stop(void *ctx, const void *data, size_t length)
{
    buffer_append(ctx, data, length);
    return 1;
}

// Decodes with a sink that stops whenever it got something. Returns how often it did.
static int decode_with_stops(const char *coding, const struct buffer *coded, struct buffer *out)
{
    struct err err = {0};
    struct decoder *decoder = decoder_create(coding, &err);
    int stops = 0;
    int rc = decoder_write(decoder, coded->data, coded->length, collect_and_stop, out, &err);
    for (; rc == 1; stops++)
        rc = decoder_resume(decoder, collect_and_stop, out, &err);
    if (rc != 0 || decoder_finish(decoder, &err) != 0)
        fail_msg("%s: %s", coding, err.text);
    decoder_destroy(decoder);
    return stops;
}

static void assert_resumes(const char *coding, const struct buffer *coded,
                           const struct buffer *expected)
{
    struct buffer out = {0};
    assert_in_range(decode_with_stops(coding, coded, &out), expected->length / (64 * 1024), 100);
    assert_int_equal(out.length, expected->length);
    assert_memory_equal(out.data, expected->data, out.length);
    buffer_fini(&out);
}

static void test_goes_on_where_the_sink_stopped(void **state)
{
    (void)state;
    struct buffer text = {0};
    for (int i = 0; text.length < BR_LONG_BYTES; i++)
        buffer_printf(&text, "line %d of %d\n", i, i * i);
    struct buffer gzip = deflated(text.data, text.length, 31);
    struct buffer zlib = deflated(text.data, text.length, 15);
    struct buffer zstd = zstd_coded(text.data, text.length);
    struct buffer twice = deflated(zstd.data, zstd.length, 31);
    assert_resumes("gzip", &gzip, &text);
    assert_resumes("deflate", &zlib, &text);
    assert_resumes("zstd", &zstd, &text);
    assert_resumes("zstd, gzip", &twice, &text);
    buffer_clear(&text);
    memset(buffer_reserve(&text, BR_LONG_BYTES), 'h', BR_LONG_BYTES);
    text.length = BR_LONG_BYTES;
    struct buffer br = {0};
    buffer_append(&br, br_long, sizeof br_long);
    assert_resumes("br", &br, &text);
    struct buffer *const all[] = {&text, &gzip, &zlib, &zstd, &twice, &br};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        buffer_fini(all[i]);
}

static void test_damage_is_told_after_the_sink_has_stopped(void **state)
{
    (void)state;
    struct buffer text = {0}, out = {0};
    for (int i = 0; text.length < 1000; i++)
        buffer_printf(&text, "line %d\n", i);
    struct buffer coded = deflated(text.data, text.length, 31);
    coded.data[coded.length - 8] ^= 1; // the check sum
    struct err err = {0};
    struct decoder *decoder = decoder_create("gzip", &err);
    int rc = decoder_write(decoder, coded.data, coded.length, collect_and_stop, &out, &err);
    assert_int_equal(rc, 1);
    assert_int_equal(decoder_resume(decoder, collect_and_stop, &out, &err), -1);
    assert_non_null(strstr(err.text, "corrupt"));
    assert_int_equal(out.length, text.length);
    decoder_destroy(decoder);
    buffer_fini(&coded);
    buffer_fini(&text);
    buffer_fini(&out);
}

static int stop_at_once(void *ctx, const void *data, size_t length)
{
    (void)data;
    *(size_t *)ctx += length;
    return 7;
}

static void test_the_sink_can_stop_a_bomb(void **state)
{
    (void)state;
    size_t length = 50 * 1000 * 1000;
    char *zeros = calloc(1, length);
    struct buffer coded = deflated(zeros, length, 31);
    struct err err = {0};
    struct decoder *decoder = decoder_create("gzip", &err);
    size_t seen = 0;
    assert_int_equal(decoder_write(decoder, coded.data, coded.length, stop_at_once, &seen, &err),
                     7);
    assert_in_range(seen, 1, 64 * 1024);
    assert_false(err.is_set);
    decoder_destroy(decoder);
    buffer_fini(&coded);
    free(zeros);
}

static int count(void *ctx, const void *data, size_t length)
{
    (void)data;
    *(size_t *)ctx += length;
    return 0;
}

// What a bounded decoder makes of it, given in pieces of `piece` bytes; `size` gets how much.
static int decode_bounded(const char *coding, const struct buffer *coded, size_t piece,
                          size_t *size, struct err *err)
{
    struct decoder *decoder = decoder_create(coding, err);
    decoder_bound(decoder);
    int rc = 0;
    *size = 0;
    for (size_t at = 0; rc == 0 && at < coded->length; at += piece) {
        size_t left = coded->length - at;
        rc =
            decoder_write(decoder, coded->data + at, left < piece ? left : piece, count, size, err);
    }
    decoder_destroy(decoder);
    return rc;
}

// Nothing comes out of the last of these codings, so that no sink can stop them.
static void test_a_bounded_decoder_stops_work_without_output(void **state)
{
    (void)state;
    struct buffer empty = deflated("", 0, 31);
    struct buffer members = {0};
    struct err err = {0};
    size_t size;
    while (members.length < 2 * DECODER_BURST_BYTES)
        buffer_append(&members, empty.data, empty.length);
    struct buffer coded = deflated(members.data, members.length, 31);
    assert_int_equal(decode_bounded("gzip, gzip", &coded, SIZE_MAX, &size, &err), -1);
    assert_string_equal(err.text, "decode gzip: it unpacks to more than 32 MiB at once");
    assert_int_equal(size, 0);
    buffer_fini(&empty);
    buffer_fini(&members);
    buffer_fini(&coded);
}

static void test_a_bounded_decoder_takes_all_that_gzip_packs_in_time(void **state)
{
    (void)state;
    size_t length = 2 * DECODER_BURST_BYTES;
    char *zeros = calloc(1, length);
    struct buffer coded = deflated(zeros, length, 31);
    struct err err = {0};
    size_t size;
    assert_int_equal(decode_bounded("gzip", &coded, 4096, &size, &err), 0);
    assert_int_equal(size, length);
    assert_int_equal(decode_bounded("gzip", &coded, SIZE_MAX, &size, &err), -1);
    buffer_fini(&coded);
    free(zeros);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_zlib_coding_decodes_in_pieces_of_any_size),
        cmocka_unit_test(test_zstd_decodes_in_pieces_of_any_size),
        cmocka_unit_test(test_br_decodes_in_pieces_of_any_size),
        cmocka_unit_test(test_a_list_is_undone_from_its_end),
        cmocka_unit_test(test_identity_passes_everything),
        cmocka_unit_test(test_gzip_members_follow_each_other),
        cmocka_unit_test(test_no_bytes_are_no_error),
        cmocka_unit_test(test_what_breaks_off_is_delivered_as_far_as_it_goes),
        cmocka_unit_test(test_corruption_says_where_and_keeps_what_came_before),
        cmocka_unit_test(test_bytes_after_the_end_are_named),
        cmocka_unit_test(test_unknown_codings_and_long_lists_are_refused),
        cmocka_unit_test(test_zstd_windows_over_8_mib_are_refused),
        cmocka_unit_test(test_zstd_frames_of_other_formats_are_refused_at_once),
        cmocka_unit_test(test_zstd_frames_follow_each_other),
        cmocka_unit_test(test_output_that_is_held_back_is_not_lost),
        cmocka_unit_test(test_goes_on_where_the_sink_stopped),
        cmocka_unit_test(test_damage_is_told_after_the_sink_has_stopped),
        cmocka_unit_test(test_the_sink_can_stop_a_bomb),
        cmocka_unit_test(test_a_bounded_decoder_stops_work_without_output),
        cmocka_unit_test(test_a_bounded_decoder_takes_all_that_gzip_packs_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
