// SPDX-License-Identifier: MIT
// Judging an exchange by a filter while it goes on, before it is in the recording.
//
// Any thread, if nobody changes the row meanwhile.
#ifndef HARK_FILTER_JUDGE_H
#define HARK_FILTER_JUDGE_H

#include "hark/err.h"
#include "hark/row.h"

struct filter;

// How much of the row is final.
enum filter_stage {
    FILTER_AT_REQUEST, // kind, client, method, URL, header fields of the request
    FILTER_AT_ANSWER,  // and status, type, header fields of the answer
    FILTER_AT_END      // and everything else
};

enum filter_verdict {
    FILTER_NO,
    FILTER_YES,
    FILTER_OPEN // it depends on what is to come; never at the end
};

// As filter_create(), but takes only words that can be judged by a row, before it has an id. The
// caller destroys it.
struct filter *filter_create_for_rows(const char *text, struct err *err);
// For the same row the recording says the same, once it is written.
enum filter_verdict filter_judge(const struct filter *filter, const struct exchange_row *row,
                                 enum filter_stage stage);

#endif
