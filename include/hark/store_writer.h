// SPDX-License-Identifier: MIT
// The writing side of the recording. One per process and file; a lock keeps others off.
//
// Thread: opened by the main thread, then used by the writer thread alone (which also
// checkpoints), closed by the main thread after that one has ended.
#ifndef HARK_STORE_WRITER_H
#define HARK_STORE_WRITER_H

#include "hark/chunk.h"
#include "hark/err.h"
#include "hark/log.h"
#include "hark/row.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum body_side {
    BODY_REQUEST,
    BODY_RESPONSE
};

enum store_result {
    STORE_OK,
    STORE_BUSY,  // another connection holds the file; nothing was changed, try again
    STORE_FULL,  // no space or an I/O error; the transaction was rolled back
    STORE_ERROR, // anything else; the transaction was rolled back
};

struct store_writer_options {
    const char *path;
    bool is_own_place;      // nobody but hark writes files there: what is no database is damaged
    bool sync_every_commit; // durability = full: synchronous FULL, else NORMAL
    const char *version;    // hark's, for the session row
    const char *command;    // the command line, for the session row
    const char *settings;   // JSON object of the settings that matter, for the session row
    struct log *log;        // says what was found and mended on opening
};

struct store_writer;

// Creates or opens the file (mode 0600): takes the lock (a second daemon is refused at once),
// sets a damaged file aside with a time stamp and begins a fresh one, refuses one that is no
// recording or that a newer hark made, migrates an older one, turns what was pending into
// `interrupted`, adds a session row. If the disk is full those last two are done by the first
// transaction that it takes.
struct store_writer *store_writer_open(const struct store_writer_options *options, struct err *err);
bool store_writer_has_begun(const struct store_writer *writer); // has that been done?
// Ends the session row, checkpoints and closes; the -wal file stays, so that readers without
// write permission can open the file.
void store_writer_close(struct store_writer *writer);

// What the next writer will do with a file that store_reader_open() refuses. Thread: any.
enum store_prospect {
    STORE_WILL_BEGIN,     // nothing is in it yet
    STORE_WILL_MIGRATE,   // an older hark made it
    STORE_WILL_SET_ASIDE, // it is damaged, and a new one begins
    STORE_WILL_REFUSE,    // a newer hark made it, or it cannot be read
    STORE_WILL_NOT_TOUCH  // it is another program's
};
enum store_prospect store_foresee(const char *path, bool is_own_place);
// Has some process the file locked for writing at this moment? *pid: which; 0: not known. Not while
// this process has the file open, which loses its own locks by it.
bool store_find_locker(const char *path, pid_t *pid);
// Which process writes to the file now; 0: none, or it is not known. Thread: any.
pid_t store_find_writer(const char *path);

int64_t store_writer_next_id(const struct store_writer *writer); // first unused exchange id
int64_t store_writer_session_id(const struct store_writer *writer);

// What is noted in the row of this process's session about the clock, for sessions to come: wall
// time less the time since the start of the machine, whose boot is `boot_id`.
int store_writer_note_clock(struct store_writer *writer, const char *boot_id, int64_t offset_us,
                            struct err *err);
// What the last session of that boot has noted; false if none has.
bool store_writer_recall_clock(struct store_writer *writer, const char *boot_id,
                               int64_t *offset_us);

// Is there room on the disk for a transaction with so many bytes in it, for moving it and what
// waits in the WAL into the file, and for deleting something then? Otherwise STORE_FULL; a
// checkpoint may make room.
enum store_result store_writer_find_room(struct store_writer *writer, int64_t bytes,
                                         struct err *err);

// One transaction: begin, any number of puts, commit. After a result other than STORE_OK no
// transaction is open. BUSY is returned within about 100 ms, so that the caller can look around.
enum store_result store_writer_begin(struct store_writer *writer, struct err *err);
// Inserts the row, or replaces all its columns if it is there already (`is_update`).
enum store_result store_writer_put_row(struct store_writer *writer, const struct exchange_row *row,
                                       bool is_update, struct err *err);
// Adds a row to `body`. The chunk is sealed and stays the caller's.
enum store_result store_writer_put_body(struct store_writer *writer, int64_t exchange_id,
                                        enum body_side side, int64_t seq, const struct chunk *chunk,
                                        struct err *err);
// Adds a row to `message`: a WebSocket message, or a part of a long one.
struct store_message {
    struct chunk *chunk; // sealed; its payload, and when it came
    enum body_side side; // who sent it: the request's side is the client
    int64_t seq;         // from 0, both sides together
    int opcode;          // 0: this goes on with the side's message before
    bool is_compressed;
};
enum store_result store_writer_put_message(struct store_writer *writer, int64_t exchange_id,
                                           const struct store_message *message, struct err *err);
// Adds a row to `note`: what somebody said about an exchange that comes from a file.
struct store_said {
    int64_t created_us; // Unix microseconds
    bool is_mark;
    const char *text; // NULL for none
};
enum store_result store_writer_put_note(struct store_writer *writer, int64_t exchange_id,
                                        const struct store_said *said, struct err *err);
// Adds to the loss counters of this session's row (exchanges and body bytes not recorded).
enum store_result store_writer_put_loss(struct store_writer *writer, int64_t exchanges,
                                        int64_t bytes, struct err *err);
// Adds a session beside the daemon's own, or ends it.
struct store_session {
    int64_t id;
    int64_t started_us; // Unix microseconds
    int64_t ended_us;   // 0: it goes on
    const char *command;
};
enum store_result store_writer_put_session(struct store_writer *writer,
                                           const struct store_session *session, struct err *err);
enum store_result store_writer_commit(struct store_writer *writer, struct err *err);
void store_writer_rollback(struct store_writer *writer);

// Moves what it can of the WAL into the file, without waiting for readers, but for at most 100 ms
// in a second while the WAL is larger than its limit. `wal_bytes` gets what the WAL file occupies
// afterwards.
enum store_result store_writer_checkpoint(struct store_writer *writer, int64_t *wal_bytes,
                                          struct err *err);
// Has enough been written for a checkpoint? And would one have nothing to do?
bool store_writer_checkpoint_is_due(const struct store_writer *writer);
bool store_writer_is_checkpointed(const struct store_writer *writer);
// Of the file beside the recording, as it is now.
int64_t store_writer_wal_bytes(const struct store_writer *writer);
// What the WAL file shrinks to when it begins anew: 64 MiB, or less.
enum store_result store_writer_limit_wal(struct store_writer *writer, int64_t bytes,
                                         struct err *err);

// The main file: what its pages hold, and what is free in it for what comes next.
struct store_sizes {
    int64_t used_bytes;
    int64_t free_bytes;
};
enum store_result store_writer_get_sizes(struct store_writer *writer, struct store_sizes *sizes,
                                         struct err *err);

#endif
