// SPDX-License-Identifier: MIT
// WebSocket frames read in pieces of every size, and compressed messages inflated.
#include "hark/websocket.h"

#include "hark/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define FIN      0x80
#define RSV1     0x40
#define MASK_BIT 0x80

// What came out, as "opcode[z]:payload|" and, of long payloads, their length alone.
struct log_text {
    struct buffer text;
    int64_t first_at_us;
    size_t long_bytes;
    bool is_wrong; // a byte of a long payload is not what was sent
};

static unsigned char long_byte(size_t at)
{
    return (unsigned char)(at * 7 + at / 251);
}

static void on_part(void *ctx, const struct websocket_part *part)
{
    struct log_text *log = ctx;
    if (log->text.length == 0)
        log->first_at_us = part->at_us;
    buffer_printf(&log->text, "%d%s:", part->opcode, part->is_compressed ? "z" : "");
    if (part->length <= 130) {
        buffer_append(&log->text, part->data, part->length);
    } else {
        buffer_printf(&log->text, "<%zu>", part->length);
        const unsigned char *data = part->data;
        for (size_t i = 0; i < part->length; i++)
            log->is_wrong = log->is_wrong || data[i] != long_byte(log->long_bytes + i);
        log->long_bytes += part->length;
    }
    buffer_append_char(&log->text, '|');
}

static void add_frame(struct buffer *out, int first, const void *data, size_t length,
                      const unsigned char *mask, size_t length_bytes)
{
    buffer_append_char(out, (char)first);
    int bit = mask != NULL ? MASK_BIT : 0;
    int code = length_bytes == 8 ? 127 : length_bytes == 2 ? 126 : (int)length;
    buffer_append_char(out, (char)(bit | code));
    for (size_t i = length_bytes; i > 0; i--)
        buffer_append_char(out, (char)((uint64_t)length >> 8 * (i - 1)));
    if (mask != NULL)
        buffer_append(out, mask, 4);
    for (size_t i = 0; i < length; i++)
        buffer_append_char(
            out, (char)(((const unsigned char *)data)[i] ^ (mask != NULL ? mask[i % 4] : 0)));
}

static void add_text_frame(struct buffer *out, int first, const char *text)
{
    add_frame(out, first, text, strlen(text), NULL, 0);
}

// Feeds `in` in pieces; the caller ends the log's text.
static struct log_text read_in_pieces(const struct buffer *in, size_t piece)
{
    struct log_text log = {0};
    struct websocket_reader reader;
    websocket_reader_init(&reader, on_part, &log);
    for (size_t at = 0; at < in->length; at += piece)
        websocket_reader_feed(&reader, in->data + at,
                              piece < in->length - at ? piece : in->length - at, (int64_t)at);
    websocket_reader_end(&reader);
    websocket_reader_fini(&reader);
    return log;
}

static void assert_reads_as(struct buffer *in, const char *expected)
{
    for (size_t piece = 1; piece <= in->length; piece++) {
        struct log_text log = read_in_pieces(in, piece);
        assert_string_equal(log.text.data == NULL ? "" : log.text.data, expected);
        buffer_fini(&log.text);
    }
    buffer_fini(in);
}

static void test_masked_frames_are_unmasked(void **state)
{
    (void)state;
    static const unsigned char mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    struct buffer in = {0};
    add_frame(&in, FIN | WEBSOCKET_TEXT, "Hello", 5, mask, 0);
    add_frame(&in, FIN | WEBSOCKET_BINARY, "\x01\x02\x03", 3, mask, 0);
    assert_reads_as(&in, "1:Hello|2:\x01\x02\x03|");
}

// RFC 6455 section 5.7.
static void test_examples_of_the_rfc_are_read(void **state)
{
    (void)state;
    static const unsigned char example[] = {0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d,
                                            0x51, 0x58, 0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f,
                                            0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f};
    struct buffer in = {0};
    buffer_append(&in, example, sizeof(example));
    assert_reads_as(&in, "1:Hello|9:Hello|1:Hello|");
}

static void test_control_frames_between_fragments_come_first(void **state)
{
    (void)state;
    struct buffer in = {0};
    add_text_frame(&in, WEBSOCKET_TEXT, "one ");
    add_text_frame(&in, FIN | WEBSOCKET_PING, "?");
    add_text_frame(&in, 0, "two ");
    add_text_frame(&in, FIN | WEBSOCKET_PONG, "");
    add_text_frame(&in, FIN | 0, "three");
    add_text_frame(&in, FIN | WEBSOCKET_TEXT, "");
    assert_reads_as(&in, "9:?|10:|1:one two three|1:|");
}

static void test_compression_is_told_by_the_first_frame(void **state)
{
    (void)state;
    struct buffer in = {0};
    add_text_frame(&in, RSV1 | WEBSOCKET_TEXT, "a");
    add_text_frame(&in, FIN | 0, "b");
    add_text_frame(&in, FIN | WEBSOCKET_TEXT, "c");
    assert_reads_as(&in, "1z:ab|1:c|");
}

static void test_lengths_of_all_three_forms_are_read(void **state)
{
    (void)state;
    struct buffer in = {0};
    add_frame(&in, FIN | WEBSOCKET_TEXT, "short", 5, NULL, 0);
    add_frame(&in, FIN | WEBSOCKET_TEXT, "medium", 6, NULL, 2);
    add_frame(&in, FIN | WEBSOCKET_TEXT, "long", 4, NULL, 8);
    assert_reads_as(&in, "1:short|1:medium|1:long|");
}

static void assert_long_reads_as(size_t length, const char *expected)
{
    static const unsigned char mask[4] = {1, 2, 3, 4};
    unsigned char *data = mem_calloc(1, length);
    for (size_t i = 0; i < length; i++)
        data[i] = long_byte(i);
    struct buffer in = {0};
    add_frame(&in, FIN | WEBSOCKET_BINARY, data, length, mask, 8);
    for (size_t piece = 1021; piece < 2 * length; piece *= 7) {
        struct log_text log = read_in_pieces(&in, piece);
        assert_string_equal(log.text.data, expected);
        assert_int_equal(log.long_bytes, length);
        assert_false(log.is_wrong);
        buffer_fini(&log.text);
    }
    buffer_fini(&in);
    free(data);
}

static void test_long_messages_come_in_parts(void **state)
{
    (void)state;
    assert_long_reads_as(WEBSOCKET_PART_MAX_BYTES, "2:<262144>|");
    assert_long_reads_as(WEBSOCKET_PART_MAX_BYTES + 1000, "2:<262144>|0:<1000>|");
    assert_long_reads_as(3 * WEBSOCKET_PART_MAX_BYTES, "2:<262144>|0:<262144>|0:<262144>|");
}

static void test_a_message_that_breaks_off_is_given_out_at_the_end(void **state)
{
    (void)state;
    struct buffer in = {0};
    add_text_frame(&in, WEBSOCKET_TEXT, "begun");
    assert_reads_as(&in, "1:begun|");
}

static void test_nothing_after_a_broken_frame_is_read(void **state)
{
    (void)state;
    const struct {
        int first;
        size_t length_bytes;
        size_t length;
    } broken[] = {
        {FIN | 0, 0, 1},                 // goes on with nothing
        {FIN | 3, 0, 1},                 // no such opcode
        {WEBSOCKET_PING, 0, 1},          // a control frame in fragments
        {FIN | WEBSOCKET_PING, 2, 1000}, // and a long one
    };
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        static const char zeros[1000];
        struct buffer in = {0};
        add_text_frame(&in, FIN | WEBSOCKET_TEXT, "fine");
        add_frame(&in, broken[i].first, zeros, broken[i].length, NULL, broken[i].length_bytes);
        add_text_frame(&in, FIN | WEBSOCKET_TEXT, "lost");
        assert_reads_as(&in, "1:fine|");
    }
    struct buffer in = {0};
    add_text_frame(&in, WEBSOCKET_TEXT, "a");
    add_text_frame(&in, FIN | WEBSOCKET_TEXT, "b");
    assert_reads_as(&in, "1:a|");
}

static void test_a_length_above_63_bits_is_broken(void **state)
{
    (void)state;
    struct buffer in = {0};
    buffer_append(&in, "\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff data", 15);
    assert_reads_as(&in, "");
}

static void test_time_is_that_of_the_first_byte_and_close_is_noticed(void **state)
{
    (void)state;
    struct log_text log = {0};
    struct websocket_reader reader;
    websocket_reader_init(&reader, on_part, &log);
    websocket_reader_feed(&reader, "\x81\x02o", 3, 100);
    websocket_reader_feed(&reader, "k", 1, 200);
    assert_int_equal(log.first_at_us, 100);
    assert_false(reader.has_closed);
    websocket_reader_feed(&reader, "\x88\x02\x03\xe8", 4, 300);
    assert_true(reader.has_closed);
    websocket_reader_fini(&reader);
    buffer_fini(&log.text);
}

// --- inflating ---------------------------------------------------------------------------------

static int collect(void *ctx, const void *data, size_t length)
{
    buffer_append(ctx, data, length);
    return 0;
}

static struct buffer deflated(z_stream *stream, const char *text)
{
    struct buffer out = {0};
    stream->next_in = (unsigned char *)(uintptr_t)text;
    stream->avail_in = (uInt)strlen(text);
    stream->next_out = (unsigned char *)buffer_reserve(&out, 1000);
    stream->avail_out = 1000;
    assert_int_equal(deflate(stream, Z_SYNC_FLUSH), Z_OK);
    out.length = 1000 - stream->avail_out - 4; // without the end of the empty block
    return out;
}

static void test_messages_are_inflated_with_what_came_before(void **state)
{
    (void)state;
    static const char text[] = "the quick brown fox jumps over the lazy dog";
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    struct websocket_inflater *inflater = websocket_inflater_create();
    for (int i = 0; i < 3; i++) {
        struct buffer packed = deflated(&stream, text);
        assert_true(i == 0 || packed.length < 20);
        struct buffer out = {0};
        struct err err = {0};
        for (size_t at = 0; at < packed.length; at++)
            assert_int_equal(
                websocket_inflater_write(inflater, packed.data + at, 1, collect, &out, &err), 0);
        assert_int_equal(websocket_inflater_end_message(inflater, collect, &out, &err), 0);
        assert_string_equal(out.data, text);
        buffer_fini(&out);
        buffer_fini(&packed);
    }
    websocket_inflater_destroy(inflater);
    deflateEnd(&stream);
}

static void test_what_is_no_deflate_data_is_an_error(void **state)
{
    (void)state;
    struct websocket_inflater *inflater = websocket_inflater_create();
    struct buffer out = {0};
    struct err err = {0};
    assert_int_equal(websocket_inflater_write(inflater, "\xff\xff\xff", 3, collect, &out, &err),
                     -1);
    assert_true(err.is_set);
    buffer_fini(&out);
    websocket_inflater_destroy(inflater);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_masked_frames_are_unmasked),
        cmocka_unit_test(test_examples_of_the_rfc_are_read),
        cmocka_unit_test(test_control_frames_between_fragments_come_first),
        cmocka_unit_test(test_compression_is_told_by_the_first_frame),
        cmocka_unit_test(test_lengths_of_all_three_forms_are_read),
        cmocka_unit_test(test_long_messages_come_in_parts),
        cmocka_unit_test(test_a_message_that_breaks_off_is_given_out_at_the_end),
        cmocka_unit_test(test_nothing_after_a_broken_frame_is_read),
        cmocka_unit_test(test_a_length_above_63_bits_is_broken),
        cmocka_unit_test(test_time_is_that_of_the_first_byte_and_close_is_noticed),
        cmocka_unit_test(test_messages_are_inflated_with_what_came_before),
        cmocka_unit_test(test_what_is_no_deflate_data_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
