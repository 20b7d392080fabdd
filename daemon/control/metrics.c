// SPDX-License-Identifier: MIT
// The counters in the text format of Prometheus, under the names its guidelines want: base units,
// `_total` on what only grows.
#include "metrics.h"

#include "hark/version.h"

#include <inttypes.h>

static void write_head(struct buffer *out, const char *name, const char *type, const char *help)
{
    buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_gauge(struct buffer *out, const char *name, int64_t value, const char *help)
{
    write_head(out, name, "gauge", help);
    buffer_printf(out, "%s %" PRId64 "\n", name, value);
}

static void write_counter(struct buffer *out, const char *name, int64_t value, const char *help)
{
    write_head(out, name, "counter", help);
    buffer_printf(out, "%s %" PRId64 "\n", name, value);
}

static void write_seconds(struct buffer *out, const char *name, int64_t us, const char *help)
{
    write_head(out, name, "gauge", help);
    buffer_printf(out, "%s %" PRId64 ".%06" PRId64 "\n", name, us / 1000000, us % 1000000);
}

static void write_refusals(struct buffer *out, const struct server_status *status)
{
    static const char name[] = "hark_refused_connections_total";
    write_head(out, name, "counter", "Client connections turned away, by reason.");
    buffer_printf(out, "%s{reason=\"allow\"} %" PRId64 "\n", name, status->refused_forbidden);
    buffer_printf(out, "%s{reason=\"max_connections_per_client\"} %" PRId64 "\n", name,
                  status->refused_per_client);
    buffer_printf(out, "%s{reason=\"max_connections\"} %" PRId64 "\n", name,
                  status->refused_overload);
}

void metrics_write(const struct server_status *status, struct buffer *out)
{
    write_head(out, "hark_build_info", "gauge", "The version of hark; always 1.");
    buffer_append_text(out, "hark_build_info{version=\"" HARK_VERSION "\"} 1\n");
    write_seconds(out, "process_start_time_seconds", status->started_us,
                  "When the daemon started, in seconds since the Unix epoch.");
    write_gauge(out, "hark_workers", status->workers, "Worker threads.");
    write_gauge(out, "hark_connections", status->connections, "Client connections open now.");
    write_refusals(out, status);
    write_counter(out, "hark_failed_logins_total", status->failed_logins,
                  "Logins to the proxy with a wrong user or password.");
    write_gauge(out, "hark_exchanges_in_flight", status->exchanges_in_flight,
                "Requests being handled now.");
    write_counter(out, "hark_exchanges_total", status->exchanges_total,
                  "Requests taken since the start.");
    write_counter(out, "hark_exchanges_ignored_total", status->ignored,
                  "Exchanges not recorded because they match ignore.");
    write_gauge(out, "hark_recorder_queue_bytes", status->queue_bytes,
                "Bytes waiting for the writer.");
    write_gauge(out, "hark_recorder_queue_limit_bytes", status->queue_limit_bytes,
                "Bytes at which the queue slows the traffic down.");
    write_counter(out, "hark_recorder_queue_stalls_total", status->queue_stalls,
                  "Times the full queue slowed the traffic down.");
    write_counter(out, "hark_recorder_commits_total", status->commits, "Transactions committed.");
    write_seconds(out, "hark_recorder_commit_last_seconds", status->commit_last_us,
                  "How long the last transaction took.");
    write_gauge(out, "hark_recording", status->is_recording,
                "1 while what passes is recorded, else 0.");
    write_counter(out, "hark_lost_exchanges_total", status->lost_exchanges,
                  "Exchanges not recorded because the disk refused.");
    write_counter(out, "hark_lost_bytes_total", status->lost_bytes,
                  "Body bytes not recorded because the disk refused.");
    write_counter(out, "hark_retired_exchanges_total", status->retired_exchanges,
                  "Exchanges deleted for keep_age or keep_bytes.");
    write_counter(out, "hark_retired_bytes_total", status->retired_bytes,
                  "Bytes freed in the recording by deleting them.");
    write_gauge(out, "hark_keep_bytes", status->keep_bytes,
                "What the recording may take; 0: without limit.");
    write_gauge(out, "hark_db_bytes", status->db_bytes, "Size of the recording's main file.");
    write_gauge(out, "hark_wal_bytes", status->wal_bytes, "Size of its write-ahead log.");
}
