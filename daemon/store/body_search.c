// SPDX-License-Identifier: MIT
// Bytes flow from SQLite's segments through decoder and character set to the search, each only
// where it is needed: a plain body in UTF-8 is searched where SQLite has it.
#include "body_search.h"

#include "hark/charset.h"
#include "hark/coding.h"
#include "hark/fields.h"
#include "hark/mem.h"
#include "hark/message.h"
#include "hark/utf8_stream.h"
#include "hark/websocket.h"
#include "schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Whoever watches is asked after so many bytes.
#define WATCH_BYTES ((size_t)4 * 1024 * 1024)

// What ends a flow of bytes, as the sinks return it.
enum flow_end {
    FLOW_FOUND = 1,
    FLOW_INTERRUPTED = 2
};

// One reading of one body. Zero-initialised but for what it is made with.
struct flow {
    struct body_search *owner;
    struct body_needle *needle;
    const struct body_place *place;
    const char *charset;      // NULL: what headers or first bytes say
    const char *content_type; // NULL: unknown
    struct arena arena;       // what is known of the headers
    struct decoder *decoder;
    struct charset_reader *reader;
    bool has_begun;
    bool has_charset; // the headers or the first bytes name one
    struct utf8_stream utf8;
    size_t unwatched;
};

// --- needles ------------------------------------------------------------------------------------

struct body_needle *body_needle_create(const char *text, size_t length)
{
    struct body_needle *needle = mem_calloc(1, sizeof(*needle));
    needle->search = text_search_create(text, length);
    needle->is_ascii = true;
    for (size_t i = 0; i < length; i++)
        needle->is_ascii = needle->is_ascii && (unsigned char)text[i] < 0x80;
    return needle;
}

void body_needle_destroy(void *needle)
{
    if (needle == NULL)
        return;
    text_search_destroy(((struct body_needle *)needle)->search);
    free(needle);
}

// --- the flow of one body -----------------------------------------------------------------------

static int on_text(void *ctx, const void *data, size_t length)
{
    struct flow *flow = ctx;
    if (text_search_feed(flow->needle->search, data, length))
        return FLOW_FOUND;
    flow->unwatched += length;
    if (flow->unwatched < WATCH_BYTES)
        return 0;
    flow->unwatched = 0;
    return watch_is_ended(flow->owner->watch) ? FLOW_INTERRUPTED : 0;
}

// Sets whose first half is ASCII, so that ASCII can be looked for without converting them.
static bool extends_ascii(const char *charset)
{
    static const char *const families[] = {"iso-8859-", "iso8859-", "latin", "windows-125",
                                           "cp125",     "koi8-",    "euc-",  "us-ascii"};
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
        if (strncasecmp(charset, families[i], strlen(families[i])) == 0)
            return true;
    return false;
}

// What is in no known set is searched as it is.
static void begin_text(struct flow *flow, const void *head, size_t length)
{
    char name[CHARSET_NAME_MAX];
    flow->has_begun = true;
    if (flow->charset == NULL)
        charset_find(flow->content_type, head, length, true, name);
    else
        snprintf(name, sizeof(name), "%s", flow->charset);
    if (strcasecmp(name, "utf-8") == 0 || strcasecmp(name, "utf8") == 0)
        return;
    flow->has_charset = true;
    struct err ignored = {0};
    if (!flow->needle->is_ascii || !extends_ascii(name))
        flow->reader = charset_reader_create(name, &ignored);
}

static int on_decoded(void *ctx, const void *data, size_t length)
{
    struct flow *flow = ctx;
    if (length == 0)
        return 0;
    if (!flow->has_begun)
        begin_text(flow, data, length);
    if (flow->reader != NULL)
        return charset_reader_write(flow->reader, data, length, on_text, flow);
    if (!flow->needle->is_ascii)
        utf8_stream_add(&flow->utf8, data, length);
    return on_text(flow, data, length);
}

static int feed(struct flow *flow, const void *data, size_t length)
{
    struct err ignored = {0};
    if (flow->decoder == NULL)
        return on_decoded(flow, data, length);
    return decoder_write(flow->decoder, data, length, on_decoded, flow, &ignored);
}

static void read_fields(struct flow *flow, const char *json)
{
    struct fields fields = {0};
    struct err ignored = {0};
    if (json == NULL || fields_from_json(&fields, &flow->arena, json, &ignored) != 0)
        return;
    const struct field *type = fields_find(&fields, "Content-Type");
    const char *coding = content_encoding(&fields, &flow->arena);
    flow->content_type = type == NULL ? NULL : type->value;
    flow->decoder = coding == NULL ? NULL : decoder_create(coding, &ignored);
}

// Most bodies need no look at the headers: SQLite's TEXT is UTF-8, and a response says in its row
// whether it is coded.
static void begin_flow(struct flow *flow, int type)
{
    const struct body_place *place = flow->place;
    flow->has_begun = type == SQLITE_TEXT && flow->needle->is_ascii && place->coding == NULL;
    if (flow->has_begun && place->side == BODY_RESPONSE)
        return;
    sqlite3_stmt *statement = flow->owner->headers[place->side];
    sqlite3_bind_int64(statement, 1, place->exchange_id);
    if (sqlite3_step(statement) == SQLITE_ROW)
        read_fields(flow, (const char *)sqlite3_column_text(statement, 0));
    sqlite3_reset(statement);
    flow->has_begun = flow->has_begun && flow->decoder == NULL;
}

// Reads the body to its end or to the text; `end` gets what ended the flow: 0 for its end.
static int run_flow(struct flow *flow, int *end)
{
    sqlite3_stmt *statement = flow->owner->segments;
    text_search_restart(flow->needle->search);
    sqlite3_bind_int64(statement, 1, flow->place->exchange_id);
    sqlite3_bind_text(statement, 2, schema_side_name(flow->place->side), -1, SQLITE_STATIC);
    *end = 0;
    int code = SQLITE_ROW;
    for (bool is_first = true; *end == 0 && (code = sqlite3_step(statement)) == SQLITE_ROW;
         is_first = false) {
        if (is_first)
            begin_flow(flow, sqlite3_column_type(statement, 0));
        const void *data = sqlite3_column_blob(statement, 0);
        *end = feed(flow, data, (size_t)sqlite3_column_bytes(statement, 0));
    }
    if (*end == 0 && flow->reader != NULL)
        *end = charset_reader_finish(flow->reader, on_text, flow);
    bool has_failed = code != SQLITE_ROW && code != SQLITE_DONE;
    sqlite3_reset(statement);
    charset_reader_destroy(flow->reader);
    decoder_destroy(flow->decoder);
    arena_fini(&flow->arena);
    return has_failed ? code : SQLITE_OK;
}

static int search_body(struct body_search *search, const struct body_place *place,
                       struct body_needle *needle, int *end)
{
    struct flow flow = {.owner = search, .needle = needle, .place = place};
    int code = run_flow(&flow, end);
    // As it is shown: what is not UTF-8 and names no set is Latin-1.
    if (code != SQLITE_OK || *end > 0 || flow.has_charset || utf8_stream_is_valid(&flow.utf8))
        return code;
    struct flow again = {
        .owner = search, .needle = needle, .place = place, .charset = "ISO-8859-1"};
    return run_flow(&again, end);
}

// --- WebSocket messages -------------------------------------------------------------------------

// The messages of one side, one after the other.
struct message_flow {
    struct flow flow;
    struct websocket_inflater *inflater; // NULL until it is needed
    bool is_open;                        // more parts may come
    bool is_compressed;
};

static int end_message(struct message_flow *messages)
{
    struct err ignored = {0};
    bool is_inflated = messages->is_open && messages->is_compressed;
    messages->is_open = false;
    if (!is_inflated)
        return 0;
    return websocket_inflater_end_message(messages->inflater, on_text, &messages->flow, &ignored);
}

static int begin_message(struct message_flow *messages, bool is_compressed)
{
    int end = end_message(messages);
    text_search_restart(messages->flow.needle->search);
    messages->is_open = true;
    messages->is_compressed = is_compressed;
    if (is_compressed && messages->inflater == NULL)
        messages->inflater = websocket_inflater_create();
    return end;
}

static int feed_part(struct message_flow *messages, sqlite3_stmt *row)
{
    struct err ignored = {0};
    int opcode = sqlite3_column_int(row, 0);
    const void *data = sqlite3_column_blob(row, 2);
    size_t length = (size_t)sqlite3_column_bytes(row, 2);
    int end = 0;
    if (opcode >= WEBSOCKET_CLOSE)
        return 0;
    if (opcode != WEBSOCKET_CONTINUATION || !messages->is_open)
        end = begin_message(messages, sqlite3_column_int(row, 1) != 0);
    if (end <= 0)
        end = messages->is_compressed ? websocket_inflater_write(messages->inflater, data, length,
                                                                 on_text, &messages->flow, &ignored)
                                      : on_text(&messages->flow, data, length);
    if (end <= 0 && length < WEBSOCKET_PART_MAX_BYTES)
        end = end_message(messages);
    return end > 0 ? end : 0; // a broken message does not hide those after it
}

static int search_messages(struct body_search *search, const struct body_place *place,
                           struct body_needle *needle, int *end)
{
    sqlite3_stmt *statement = search->messages;
    struct message_flow messages = {.flow = {.owner = search, .needle = needle}};
    sqlite3_bind_int64(statement, 1, place->exchange_id);
    sqlite3_bind_text(statement, 2, place->side == BODY_REQUEST ? "send" : "receive", -1,
                      SQLITE_STATIC);
    *end = 0;
    int code = SQLITE_ROW;
    while (*end == 0 && (code = sqlite3_step(statement)) == SQLITE_ROW)
        *end = feed_part(&messages, statement);
    if (*end == 0)
        *end = end_message(&messages);
    bool has_failed = code != SQLITE_ROW && code != SQLITE_DONE;
    sqlite3_reset(statement);
    websocket_inflater_destroy(messages.inflater);
    return has_failed ? code : SQLITE_OK;
}

// --- entry --------------------------------------------------------------------------------------

static int prepare_one(struct body_search *search, const char *sql, sqlite3_stmt **statement)
{
    if (*statement != NULL)
        return SQLITE_OK;
    return sqlite3_prepare_v3(search->db, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
}

static int prepare(struct body_search *search)
{
    const struct {
        const char *sql;
        sqlite3_stmt **statement;
    } wanted[] = {
        {"SELECT data FROM body WHERE exchange_id = ? AND side = ? ORDER BY seq",
         &search->segments},
        {"SELECT opcode, is_compressed, data FROM message WHERE exchange_id = ? AND direction = ?"
         " ORDER BY seq",
         &search->messages},
        {"SELECT request_headers FROM exchange WHERE id = ?", &search->headers[BODY_REQUEST]},
        {"SELECT response_headers FROM exchange WHERE id = ?", &search->headers[BODY_RESPONSE]},
    };
    int code = SQLITE_OK;
    for (size_t i = 0; code == SQLITE_OK && i < sizeof(wanted) / sizeof(wanted[0]); i++)
        code = prepare_one(search, wanted[i].sql, wanted[i].statement);
    return code;
}

void body_search_fini(struct body_search *search)
{
    sqlite3_finalize(search->headers[BODY_REQUEST]);
    sqlite3_finalize(search->headers[BODY_RESPONSE]);
    sqlite3_finalize(search->segments);
    sqlite3_finalize(search->messages);
}

int body_search_run(struct body_search *search, const struct body_place *place,
                    struct body_needle *needle, bool *is_found)
{
    int end = 0;
    int code = prepare(search);
    if (code == SQLITE_OK)
        code = search_body(search, place, needle, &end);
    if (code == SQLITE_OK && end <= 0 && place->is_websocket)
        code = search_messages(search, place, needle, &end);
    *is_found = end == FLOW_FOUND;
    return end == FLOW_INTERRUPTED ? SQLITE_INTERRUPT : code;
}
