// SPDX-License-Identifier: MIT
// The configuration: one table of options behind the file, the environment and the flags.
//
// Precedence: flags (`--set key=value`) over environment (`HARK_<KEY>`) over file over default. A
// list in a higher layer replaces the list of the lower one; within a layer a repeated key adds.
// A loaded configuration never changes and may be read from any thread; a reload makes a new one.
// Who still works by the older one holds a reference to it.
#ifndef HARK_CONFIG_H
#define HARK_CONFIG_H

#include "hark/credentials.h"
#include "hark/err.h"
#include "hark/log.h"
#include "hark/mem.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer;

enum config_mode {
    CONFIG_MODE_RECORD,
    CONFIG_MODE_PLAYBACK,
    CONFIG_MODE_PLAYBACK_OR_RECORD,
    CONFIG_MODE_OFF, // forwards, and keeps nothing
};

enum config_durability {
    CONFIG_DURABILITY_RELAXED, // committed within 50 ms
    CONFIG_DURABILITY_COMMIT,  // the end of a response waits for its commit
    CONFIG_DURABILITY_FULL,    // and for fsync
};

enum config_upstream_http {
    CONFIG_UPSTREAM_HTTP_1_1,
    CONFIG_UPSTREAM_HTTP_2
};
enum config_playback_miss {
    CONFIG_PLAYBACK_MISS_ERROR,
    CONFIG_PLAYBACK_MISS_FORWARD
};
enum config_playback_pace {
    CONFIG_PLAYBACK_PACE_FAST,
    CONFIG_PLAYBACK_PACE_RECORDED
};
enum config_log_format {
    CONFIG_LOG_FORMAT_TEXT,
    CONFIG_LOG_FORMAT_JSON
};

struct config_list {
    const char **items; // each one checked
    size_t count;
};

// The fields bear the names of the keys, with their unit. A text that is not set is NULL.
// Owner: everybody who holds a reference. Thread: any, to read.
struct config {
    atomic_int refs;
    struct config_list listen; // "ADDR:PORT", see address_parse(); port 0 picks one
    const char *ui;            // the same; NULL: no page
    const char *db;            // NULL: see config_db_path()
    int workers;               // never 0: what was to be counted is counted
    enum config_mode mode;
    enum config_durability durability;
    int64_t queue_bytes;

    bool intercept;
    struct config_list passthrough; // host patterns
    const char *upstream_proxy;     // URL
    const char *upstream_ca_file;
    struct config_list upstream_client_cert; // see config_client_cert_parse()
    bool upstream_verify;
    struct config_list connect_to; // as CURLOPT_CONNECT_TO takes them
    enum config_upstream_http upstream_http;

    int64_t connect_timeout_ms;
    int64_t idle_timeout_ms;
    int64_t header_timeout_ms;
    int max_connections;
    int max_connections_per_client; // 0: no limit
    int64_t max_header_bytes;
    int64_t max_body_bytes; // of a request; 0: no limit
    bool via;

    int64_t record_bodies_bytes; // INT64_MAX: all
    const char *ignore;          // a filter
    struct config_list redact_headers;
    struct config_list redact_query;
    struct config_list redact_json;
    struct config_list redact_form;
    int64_t keep_age_ms; // 0: for ever
    int64_t keep_bytes;  // 0: without limit

    struct config_list allow;        // CIDRs, see cidr_parse()
    const char *proxy_auth;          // file of user:password-hash
    struct credentials *credentials; // what is in it; NULL: nobody has to log in
    struct config_list reverse;

    struct config_list playback_match;
    struct config_list playback_ignore_query;
    struct config_list playback_ignore_headers;
    const char *playback_filter; // which exchanges answer
    enum config_playback_miss playback_miss;
    enum config_playback_pace playback_pace;
    bool playback_record; // what was played back gets rows of its own

    struct config_list diff_ignore_headers; // beside diff_usual_headers

    enum log_level log_level;
    enum config_log_format log_format;

    const char *file;                // see config_file_in_use()
    struct config_setting *settings; // see config_text() and config_origin()
    struct arena arena;              // everything above lives in it
};

struct config_sources {
    const char *file;        // NULL: the first that exists of the usual places, or none
    const char *known_file;  // at a reload the one read before, which must be there still; or NULL
    const char *const *sets; // "key=value"
    size_t set_count;
    char *const *environ; // as environ(7); NULL: empty
};

// Returns NULL with the first mistake found, which names its place: "hark.conf:12: …",
// "HARK_MODE=…: …" or "--set mode=…: …". The first reference is the caller's.
struct config *config_load(const struct config_sources *sources, struct err *err);
struct config *config_retain(struct config *config); // any thread; returns it
void config_release(struct config *config);          // any thread; takes NULL

// The file that was read; NULL if none was.
const char *config_file_in_use(const struct config *config);

// Does the mode answer from the recording? And does it leave the recording as it is?
bool config_plays_back(const struct config *config);
bool config_is_read_only(const struct config *config);

// What stands for the option `key` as text, the items of a list separated by spaces; and where
// that was said ("hark.conf:12", "--set mode=off", "default"). `key` must be an option.
const char *config_text(const struct config *config, const char *key);
const char *config_origin(const struct config *config, const char *key);

// Is this an environment variable that hark reads, "HARK_LISTEN"?
bool config_knows_variable(const char *name);

// Where item `index` of the list `key` was said.
const char *config_item_origin(const struct config *config, const char *key, size_t index);

// Appends the keys that differ between the two, separated by spaces: those that a reload changes,
// or those that take a restart.
void config_append_changes(const struct config *running, const struct config *reloaded,
                           bool takes_restart, struct buffer *keys);
// Gives `reloaded` the running values of what takes a restart. Before anybody else knows of it.
void config_keep_fixed(const struct config *running, struct config *reloaded);

// The keys, for help and tests: NULL from `index` = their number on.
const char *config_key_at(size_t index);
// The words that the value of `key` may be: NULL from `index` = their number on, and for a key
// whose value is something else.
const char *config_word_at(const char *key, size_t index);

// An item of `upstream_client_cert`, HOST[:PORT]:FILE; it points into the item.
struct config_client_cert {
    const char *host; // a pattern, IPv6 without brackets
    size_t host_length;
    int port; // 0: any
    const char *file;
};
int config_client_cert_parse(const char *text, struct config_client_cert *client_cert);

// The data folder (`--data-dir`, else $HARK_DATA_DIR, else $XDG_DATA_HOME/hark, else
// ~/.local/share/hark), whether it exists or not. `flag` may be NULL. The caller frees it.
char *config_data_dir(const char *flag, char *const *environment, struct err *err);

// The recording: `db`, or hark.db in the data folder. The caller frees it.
char *config_db_path(const struct config *config, const char *data_dir);

#endif
