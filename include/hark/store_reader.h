// SPDX-License-Identifier: MIT
// The reading side of the recording: read-only, beside a running daemon or without one.
//
// Thread: a reader belongs to the thread that opened it. No call keeps a read transaction open
// after it has returned, since a long one would keep the WAL from being reset.
#ifndef HARK_STORE_READER_H
#define HARK_STORE_READER_H

#include "hark/err.h"
#include "hark/row.h"
#include "hark/store_writer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store_reader;
struct filter;

// Opens an existing recording; a missing one, one that is no recording and one of a newer hark
// are errors that say what to do.
struct store_reader *store_reader_open(const char *path, struct err *err);
// The same for a recording that nobody writes to, as those kept beside the tests of a project: not
// even the files -wal and -shm come about beside it. One that somebody may be writing to is opened
// as above.
struct store_reader *store_reader_open_still(const char *path, struct err *err);
void store_reader_close(struct store_reader *reader);

// Asked now and then while a call takes long, on its thread; once it says yes, the call fails.
typedef bool (*store_unwanted_fn)(void *ctx);
void store_reader_watch(struct store_reader *reader, store_unwanted_fn is_unwanted, void *ctx);
// Where the call is that goes on. What is not known is 0.
struct store_progress {
    int64_t done; // of `total` exchanges to be looked through
    int64_t total;
    int64_t found;
};
const struct store_progress *store_reader_progress(const struct store_reader *reader);

// --- filters: words of the filter language, joined by "and" --------------------------------

// Parses `count` words ("host:api.example.com", "status:5xx", "text"). NULL on a mistake; the
// message names the word, the column and a suggestion.
struct filter *filter_create(const char *const *words, size_t count, struct err *err);
void filter_destroy(struct filter *filter);
// Has it no word? It matches everything, which is hardly what somebody means who changes what it
// matches and gave one (`hark prune "$UNSET"`).
bool filter_is_empty(const struct filter *filter);
// The keys of the language ("host"), and what "is:" knows ("error"): NULL from `index` = their
// number on.
const char *filter_key_at(size_t index);
const char *filter_kind_at(size_t index);

// --- values: rows of any shape, as SQL gives them ----------------------------------------------

enum value_type {
    VALUE_NULL,
    VALUE_INTEGER,
    VALUE_REAL,
    VALUE_TEXT,
    VALUE_BLOB
};

// Borrowed: good until the callback returns.
struct value {
    enum value_type type;
    int64_t integer;
    double real;
    const char *data; // TEXT and BLOB, also NUL-terminated for TEXT
    size_t length;
};

// One row. `names` has a column name for each value. Return 0 to go on, another number to stop;
// the function that called returns that number.
typedef int (*value_row_fn)(void *ctx, size_t count, const char *const *names,
                            const struct value *values);
// Told the columns once before the first row, also when there will be no row. May be NULL.
typedef int (*value_columns_fn)(void *ctx, size_t count, const char *const *names);

// Zero-initialised lists everything, oldest first. Pages are made with the ids of their ends:
// older ones with `before_id`, newer ones with `after_id` and `is_oldest`.
struct store_list_options {
    const struct filter *filter; // NULL: all
    int64_t before_id;           // only ids below it; 0: open
    int64_t after_id;            // only ids above it; 0: open
    int64_t limit;               // the newest so many of those that match; 0: all
    bool is_oldest;              // the oldest `limit` instead
    bool is_newest_first;        // the order of the rows
    bool is_wide; // after the columns of `traffic`: kind, session_id, replay_of, is_marked (0, 1)
};

// Rows of the view `traffic`. -1 on error.
int store_list_traffic(struct store_reader *reader, const struct store_list_options *options,
                       value_columns_fn on_columns, value_row_fn on_row, void *ctx,
                       struct err *err);

// A row for each host and status of what matches (filter NULL: all): host, status, count, errors
// (as in the view `host_stats`), request_bytes, response_bytes, and the durations that half of
// them, 90 and 99 % do not exceed: p50_ms, p90_ms, p99_ms, to within 1 %. The hosts with the most
// exchanges come first. -1 on error.
int store_stats(struct store_reader *reader, const struct filter *filter,
                value_columns_fn on_columns, value_row_fn on_row, void *ctx, struct err *err);

// Runs one read-only statement. A statement that would write is refused; text after the first
// statement is an error. `on_columns` is called first. -1 on error.
int store_query(struct store_reader *reader, const char *sql, value_columns_fn on_columns,
                value_row_fn on_row, void *ctx, struct err *err);

// --- one exchange --------------------------------------------------------------------------

enum store_found {
    STORE_FOUND,
    STORE_NOT_FOUND,
    STORE_READ_ERROR
};

// The caller destroys the row.
enum store_found store_get_row(struct store_reader *reader, int64_t id, struct exchange_row **row,
                               struct err *err);
// The id of the newest exchange, `back` before it (0: the newest itself).
enum store_found store_last_id(struct store_reader *reader, int64_t back, int64_t *id,
                               struct err *err);

// One segment of a body, to be read when it is needed. Owner: whoever declared it, with its data.
struct store_segment {
    int64_t seq; // of the last one read; -1: none yet
    int64_t at_us;
    struct buffer data;
};
// Reads the segment after `segment->seq` into `segment`.
enum store_found store_next_segment(struct store_reader *reader, int64_t exchange_id,
                                    enum body_side side, struct store_segment *segment,
                                    struct err *err);

// One segment of a body; `data` is borrowed until the callback returns. Return 0 to go on.
typedef int (*body_segment_fn)(void *ctx, int64_t seq, int64_t at_us, const void *data,
                               size_t length);
// All segments of a side in order; one in memory at a time. -1 on error, else what the callback
// returned last.
int store_walk_body(struct store_reader *reader, int64_t exchange_id, enum body_side side,
                    body_segment_fn on_segment, void *ctx, struct err *err);

// A row of `message`; `data` is borrowed until the callback returns.
struct message_view {
    int64_t seq;
    int64_t at_us;       // since the start of the exchange
    enum body_side side; // who sent it: the request's side is the client
    int opcode;          // RFC 6455; 0: it goes on with the side's message before
    bool is_compressed;  // as it was on the wire (RFC 7692)
    const void *data;
    size_t length;
};
// The message after `seq` (-1: the first). Its data are in `data`, which is the caller's.
enum store_found store_next_message(struct store_reader *reader, int64_t exchange_id, int64_t seq,
                                    struct message_view *message, struct buffer *data,
                                    struct err *err);
typedef int (*message_fn)(void *ctx, const struct message_view *message); // 0 to go on
// All messages of both sides in order; returns as store_walk_body() does.
int store_walk_messages(struct store_reader *reader, int64_t exchange_id, message_fn on_message,
                        void *ctx, struct err *err);

// --- details of one exchange: rows of values; return as store_query() does -----------------------

// Segments of its bodies, the request's first: side, at_us, bytes.
int store_list_segments(struct store_reader *reader, int64_t exchange_id, int64_t limit,
                        value_row_fn on_row, void *ctx, struct err *err);
// id, created_us, is_mark, text.
int store_list_notes(struct store_reader *reader, int64_t exchange_id, value_row_fn on_row,
                     void *ctx, struct err *err);
// One row with the number of WebSocket messages, parts of long ones not counted.
int store_count_messages(struct store_reader *reader, int64_t exchange_id, value_row_fn on_row,
                         void *ctx, struct err *err);

// --- playback ------------------------------------------------------------------------------

// A request that got an answer which can be given again. Borrowed until the callback returns.
struct store_request {
    int64_t id;
    const char *method; // texts may be NULL, as in a row
    const char *scheme;
    const char *host;
    int port;
    const char *path;
    const char *query;
    bool has_body;
    const char *headers_json;
};
typedef void (*store_request_fn)(void *ctx, const struct store_request *request);
// All of them that match (filter NULL: all) and were sent by programs or imported, oldest first.
int store_walk_requests(struct store_reader *reader, const struct filter *filter,
                        store_request_fn on_request, void *ctx, struct err *err);

#endif
