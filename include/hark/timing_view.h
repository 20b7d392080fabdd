// SPDX-License-Identifier: MIT
// When things happened in an exchange: its phases, and every segment of its bodies.
#ifndef HARK_TIMING_VIEW_H
#define HARK_TIMING_VIEW_H

#include "hark/exchange_view.h"
#include "hark/rows.h"

// For people: the phases with bars, then the segments of the bodies below them, on the same scale.
// Of many segments the first ones, and how many more there are.
int timing_write(const struct text_writer *writer, struct store_reader *reader,
                 const struct exchange_row *row, struct err *err);

// A row for each segment of both bodies, to a printer's callbacks: exchange_id, side, seq, at_ms
// (since the exchange began), gap_ms (since the segment before it, null for the first), size.
// `on_columns` may be NULL. Returns 0, what a callback returned, or -1.
int timing_walk_segments(struct store_reader *reader, const struct exchange_row *row,
                         value_columns_fn on_columns, value_row_fn on_row, void *ctx,
                         struct err *err);

#endif
