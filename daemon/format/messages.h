// SPDX-License-Identifier: MIT
// Messages of a WebSocket for people.
#ifndef HARK_FORMAT_MESSAGES_H
#define HARK_FORMAT_MESSAGES_H

#include "hark/exchange_view.h"

// One message, for people.
int text_write_message(const struct text_writer *writer, const struct shown_message *message);

#endif
