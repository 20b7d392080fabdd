// SPDX-License-Identifier: MIT
// A WebSocket message as one line: who sent it, when, what it is, and what it says.
#include "hark/human.h"
#include "hark/utf8.h"
#include "hark/websocket.h"
#include "messages.h"

#include <inttypes.h>
#include <string.h>

#define HEX_SHOWN_BYTES 16

static const char *name_of(int opcode)
{
    switch (opcode) {
    case WEBSOCKET_CONTINUATION:
        return "continuation";
    case WEBSOCKET_TEXT:
        return "text";
    case WEBSOCKET_BINARY:
        return "binary";
    case WEBSOCKET_CLOSE:
        return "close";
    case WEBSOCKET_PING:
        return "ping";
    case WEBSOCKET_PONG:
        return "pong";
    default:
        return "unknown";
    }
}

// The first two bytes of a close message are its code (RFC 6455 section 5.5.1).
static size_t append_close_code(struct buffer *line, const struct shown_message *message)
{
    const unsigned char *bytes = message->data;
    if (message->opcode != WEBSOCKET_CLOSE || message->length < 2)
        return 0;
    buffer_printf(line, " %d", bytes[0] << 8 | bytes[1]);
    return 2;
}

static void write_payload(const struct text_writer *writer, const char *data, size_t length,
                          bool is_text)
{
    if (length == 0)
        return;
    putc(' ', writer->out);
    if (is_text) {
        safe_text_write(writer->out, data, length, SAFE_LINE);
        return;
    }
    for (size_t i = 0; i < length && i < HEX_SHOWN_BYTES; i++)
        fprintf(writer->out, "%s%02x", i == 0 ? "" : " ", (unsigned char)data[i]);
    if (length > HEX_SHOWN_BYTES)
        fputs(" …", writer->out);
}

static void write_notes(const struct text_writer *writer, const struct shown_message *message)
{
    if (message->total_bytes > (int64_t)message->length)
        fprintf(writer->out, " [cut: %" PRId64 " bytes]", message->total_bytes);
    if (message->problem.is_set)
        fprintf(writer->out, " [%s]", message->problem.text);
}

int text_write_message(const struct text_writer *writer, const struct shown_message *message)
{
    struct buffer line = {0};
    bool is_sent = message->side == BODY_REQUEST;
    buffer_printf(&line, "%s ", is_sent ? "->" : "<-");
    human_append_duration(&line, message->at_us);
    buffer_printf(&line, " %s", name_of(message->opcode));
    size_t skipped = append_close_code(&line, message);
    const char *data = (const char *)message->data + skipped;
    size_t length = message->length - skipped;
    bool is_text = message->opcode != WEBSOCKET_BINARY && utf8_is_valid(data, length);
    if (message->opcode == WEBSOCKET_BINARY) {
        buffer_append_text(&line, ", ");
        human_append_bytes(&line, message->total_bytes);
    }
    buffer_append_char(&line, ':');
    fputs(terminal_color(&writer->terminal, is_sent ? COLOR_GREEN : COLOR_BLUE), writer->out);
    fputs(line.data, writer->out);
    fputs(terminal_reset(&writer->terminal), writer->out);
    write_payload(writer, data, length, is_text);
    write_notes(writer, message);
    putc('\n', writer->out);
    buffer_fini(&line);
    return ferror(writer->out) ? -1 : 0;
}
