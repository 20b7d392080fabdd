// SPDX-License-Identifier: MIT
// The counters in the text format of Prometheus, under the names its guidelines want: base units,
// `_total` on what only grows.
#include "metrics.h"

#include "hark/version.h"
#include "process_metrics.h"

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

static void append_seconds(struct buffer *out, int64_t us)
{
    buffer_printf(out, "%" PRId64 ".%06" PRId64, us / 1000000, us % 1000000);
}

static void write_seconds(struct buffer *out, const char *name, const char *type, int64_t us,
                          const char *help)
{
    write_head(out, name, type, help);
    buffer_printf(out, "%s ", name);
    append_seconds(out, us);
    buffer_append_char(out, '\n');
}

static void write_ended(struct buffer *out, const struct server_counts *counts)
{
    static const char name[] = "hark_exchanges_ended_total";
    static const char *const classes[COUNTS_CLASSES] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
    write_head(out, name, "counter", "Exchanges that have ended, by kind and class of status.");
    for (int kind = 0; kind < COUNTS_KINDS; kind++)
        for (int class = 0; class < COUNTS_CLASSES; class ++)
            buffer_printf(out, "%s{kind=\"%s\",status=\"%s\"} %" PRId64 "\n", name,
                          row_kind_name((enum row_kind)kind), classes[class],
                          counts->ended[kind][class]);
}

static void write_errors(struct buffer *out, const struct server_counts *counts)
{
    static const char name[] = "hark_exchange_errors_total";
    write_head(out, name, "counter", "Exchanges in which something went wrong, by stable code.");
    for (size_t i = 0; counts_error_code(i) != NULL; i++)
        buffer_printf(out, "%s{code=\"%s\"} %" PRId64 "\n", name, counts_error_code(i),
                      counts->errors[i]);
}

static void write_bytes(struct buffer *out, const struct server_counts *counts)
{
    static const char name[] = "hark_body_bytes_total";
    write_head(out, name, "counter", "Body bytes as on the wire, counted when the exchange ends.");
    buffer_printf(out, "%s{side=\"request\"} %" PRId64 "\n", name, counts->request_bytes);
    buffer_printf(out, "%s{side=\"response\"} %" PRId64 "\n", name, counts->response_bytes);
}

static void write_commits(struct buffer *out, const struct server_counts *counts)
{
    static const char name[] = "hark_recorder_commit_seconds";
    int64_t count = 0;
    write_head(out, name, "histogram", "How long transactions took.");
    for (size_t i = 0; i < COUNTS_BOUNDS; i++) {
        count += counts->commits[i];
        buffer_printf(out, "%s_bucket{le=\"%g\"} %" PRId64 "\n", name,
                      (double)counts_bounds_us[i] / 1e6, count);
    }
    count += counts->commits[COUNTS_BOUNDS];
    buffer_printf(out, "%s_bucket{le=\"+Inf\"} %" PRId64 "\n%s_sum ", name, count, name);
    append_seconds(out, counts->commit_us);
    buffer_printf(out, "\n%s_count %" PRId64 "\n", name, count);
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

static void write_process(struct buffer *out, int64_t started_us)
{
    struct process_metrics process;
    process_metrics_read(&process);
    write_seconds(out, "process_start_time_seconds", "gauge", started_us,
                  "When the daemon started, in seconds since the Unix epoch.");
    write_seconds(out, "process_cpu_seconds_total", "counter", process.cpu_us,
                  "Time of processors used, of the user and the system.");
    write_gauge(out, "process_resident_memory_bytes", process.resident_bytes, "Resident memory.");
    write_gauge(out, "process_virtual_memory_bytes", process.virtual_bytes, "Virtual memory.");
    write_gauge(out, "process_open_fds", process.open_fds, "Open file descriptors.");
    write_gauge(out, "process_max_fds", process.max_fds, "How many may be open.");
}

static void write_traffic(struct buffer *out, const struct server_counts *counts)
{
    write_ended(out, counts);
    write_errors(out, counts);
    write_bytes(out, counts);
    write_counter(out, "hark_replayed_exchanges_total", counts->replayed,
                  "Recorded requests that were sent again.");
    write_counter(out, "hark_accepted_connections_total", counts->accepted,
                  "Client connections taken.");
    write_counter(out, "hark_upstream_connections_total", counts->upstream_opened,
                  "Connections towards origins begun.");
    write_counter(out, "hark_certificates_minted_total", counts->certificates_minted,
                  "Certificates made for intercepted hosts.");
    write_gauge(out, "hark_certificates_cached", counts->certificates_cached,
                "Certificates kept for intercepted hosts.");
    write_commits(out, counts);
    write_counter(out, "hark_recorder_records_total", counts->records,
                  "Records written; by the commits, the size of a batch.");
}

void metrics_write(const struct server_status *status, const struct server_counts *counts,
                   struct buffer *out)
{
    write_head(out, "hark_build_info", "gauge", "The version of hark; always 1.");
    buffer_append_text(out, "hark_build_info{version=\"" HARK_VERSION "\"} 1\n");
    write_process(out, status->started_us);
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
    write_traffic(out, counts);
    write_counter(out, "hark_playback_hits_total", status->played_back,
                  "Requests answered from the recording.");
    write_counter(out, "hark_playback_misses_total", status->playback_misses,
                  "Requests that the recording had no answer for.");
    write_gauge(out, "hark_ready", status->is_ready, "What /readyz says: 1 or 0.");
    write_gauge(out, "hark_recorder_queue_bytes", status->queue_bytes,
                "Bytes waiting for the writer.");
    write_gauge(out, "hark_recorder_queue_limit_bytes", status->queue_limit_bytes,
                "Bytes at which the queue slows the traffic down.");
    write_counter(out, "hark_recorder_queue_stalls_total", status->queue_stalls,
                  "Times the full queue slowed the traffic down.");
    write_counter(out, "hark_recorder_commits_total", status->commits, "Transactions committed.");
    write_seconds(out, "hark_recorder_commit_last_seconds", "gauge", status->commit_last_us,
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
    write_gauge(
        out, "hark_keep_bytes_exceeded", status->is_over_keep_bytes,
        "1 while the recording takes more, since what is marked, goes on or is read stays.");
    write_gauge(out, "hark_keep_bytes_crowded", status->is_crowded,
                "1 while what is marked leaves no room in it: what is new is removed at once.");
    write_counter(out, "hark_cut_bodies_total", status->cut_bodies,
                  "Bodies recorded in part, since they went on and took much of keep_bytes.");
    write_gauge(out, "hark_db_bytes", status->db_bytes, "Size of the recording's main file.");
    write_gauge(out, "hark_wal_bytes", status->wal_bytes, "Size of its write-ahead log.");
}
