// SPDX-License-Identifier: MIT
// What `hark replay` tells: a row for each result on standard output; how far it is, and what came
// of it in all, on stderr.
#ifndef HARK_CLI_REPLAY_REPORT_H
#define HARK_CLI_REPLAY_REPORT_H

#include "command.h"
#include "hark/replay_view.h"
#include "hark/rows.h"
#include "replay_diff.h"

struct replay_report;

// `total`: how many results there will be, for the progress. `diff` (NULL: rows are printed) is
// taken over.
struct replay_report *replay_report_create(struct invocation *invocation, enum rows_format format,
                                           struct replay_diff *diff, int64_t total);
// One result, as replay_view_make() has them. Not 0 once standard output fails.
int replay_report_add(struct replay_report *report, const struct value *values);

// How a run ended. A status other than STATUS_DONE was said already.
struct replay_end {
    enum status status;
    bool was_interrupted;
    int64_t session_id; // of the new exchanges; 0: not known
};
// Ends the rows and prints the summary.
void replay_report_finish(struct replay_report *report, const struct replay_end *end);
// What the results mean as an exit status.
enum status replay_report_status(const struct replay_report *report);
void replay_report_destroy(struct replay_report *report); // takes NULL

#endif
