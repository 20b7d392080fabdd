// SPDX-License-Identifier: MIT
// Sending recorded requests again. Each goes through the same exchange as a client's request, only
// without a client: its answer is recorded as a row with source = replay.
//
// A run lives on the thread that calls replay_run(): it reads the recording, starts exchanges on
// the server's workers, and is called back with each result. Several runs may go on at once.
#ifndef HARK_REPLAY_H
#define HARK_REPLAY_H

#include "hark/err.h"
#include "hark/fields.h"
#include "hark/row.h"
#include "hark/server.h"
#include "hark/store_reader.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPLAY_CONCURRENCY_MAX   1024
#define REPLAY_CONCURRENCY_TIMED 64

// Exchanges by id. A single one was named by somebody: that it is not there is worth a word.
struct replay_range {
    int64_t first;
    int64_t last;
    bool is_single;
};

// What to send, and how. Zero-initialised sends everything once, one after the other. It must stay
// as it is until replay_destroy().
struct replay_options {
    const struct replay_range *ranges; // in this order; none: what the filter matches
    size_t range_count;
    const struct filter *filter; // of what is recorded when the run begins; NULL: all of it
    bool is_agreed;   // to send more than one request that may change something (replay_count())
    bool sends_marks; // of redaction (hark/redact.h), in the place of the values

    const char *to;             // send everything to this origin: "http://host:port"; NULL
    struct fields set_headers;  // in the place of recorded ones of that name, or at the end
    struct fields drop_headers; // by their names
    struct fields set_query;    // parameters, as query_set() takes them

    int concurrency;   // how many at once; 0: 1, or REPLAY_CONCURRENCY_TIMED with a rate or a speed
    double rate_per_s; // how many to begin a second; 0: no limit
    double speed;      // keep the recorded distances, so many times faster; 0: do not
    int64_t repeat;    // send all of it so many times; 0: once

    const char *command; // gives the run a session of its own; NULL: it is the server's
};

// Can this be done? What the recording holds is not looked at.
int replay_check_options(const struct replay_options *options, struct err *err);

// What a run would send, each request counted once.
struct replay_counts {
    int64_t matched;
    // Of those that were not named one by one: requests other than GET, HEAD and OPTIONS. More than
    // one of them is only sent if that was agreed to.
    int64_t unsafe;
};
int replay_count(struct store_reader *reader, const struct replay_options *options,
                 struct replay_counts *counts, struct err *err);

enum replay_outcome {
    REPLAY_ANSWERED, // whatever the status
    REPLAY_FAILED,   // no answer, or not a whole one
    REPLAY_SKIPPED,  // cannot be sent again
    REPLAY_REDACTED, // would go out with marks in the place of values
    REPLAY_MISSING,  // there is no such exchange
};

// Borrowed: good until the callback returns.
struct replay_result {
    enum replay_outcome outcome;
    int64_t replay_of;
    const struct exchange_row *recorded; // NULL if it is missing
    const struct exchange_row *row;      // the new exchange, as it was written; NULL: not sent
    bool is_recorded;                    // false if the disk refused the new one
    const char *reason;                  // why it was not sent, unless it is missing; else NULL
};

struct replay_callbacks {
    // Return 0 to go on, another number to stop the run as replay_stop() does.
    int (*on_result)(void *ctx, const struct replay_result *result);
    // Asked a few times a second; true is as a call of replay_stop(). May be NULL.
    bool (*must_stop)(void *ctx);
    void *ctx;
};

enum replay_refusal {
    REPLAY_NOT_REFUSED,
    REPLAY_BAD_OPTIONS,
    REPLAY_NOT_AGREED,   // it takes `is_agreed`
    REPLAY_IMPOSSIBLE,   // nothing would be recorded, or nothing may be sent (mode)
    REPLAY_NOT_READABLE, // the recording
};

struct replay;

// NULL with the reason. The server must not be stopped before the run is destroyed.
struct replay *replay_create(struct server *server, const struct replay_options *options,
                             enum replay_refusal *refusal, struct err *err);
// Sends everything; returns when all results were told. -1 if the recording could not be read, or
// the server ends: what had begun is finished then.
int replay_run(struct replay *replay, const struct replay_callbacks *callbacks, struct err *err);
// Begins nothing more, and gives what is going on a few seconds; a second call cuts it. Any thread,
// and signal handlers.
void replay_stop(struct replay *replay);
// The same for the run that has this session; false if there is none. Any thread.
bool replay_stop_session(struct server *server, int64_t session_id);
bool replay_was_stopped(const struct replay *replay);
int64_t replay_session_id(const struct replay *replay); // of the new rows
void replay_destroy(struct replay *replay);             // takes NULL

#endif
