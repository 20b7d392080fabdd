// SPDX-License-Identifier: MIT
// The messages of a WebSocket for the writers.
#ifndef HARK_FORMAT_MESSAGES_H
#define HARK_FORMAT_MESSAGES_H

#include "hark/exchange_view.h"

// Calls the writer's on_message for each message of the exchange, in order.
int messages_walk(struct store_reader *reader, const struct exchange_row *row,
                  const struct exchange_writer *writer, void *ctx, struct err *err);

// One message, for people.
int text_write_message(const struct text_writer *writer, const struct shown_message *message);

#endif
