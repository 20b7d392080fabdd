// SPDX-License-Identifier: MIT
// Copies that lie beside a recording: what it was before an upgrade (`<file>.v<N>-backup`), and
// what was set aside as damaged (`<file>.damaged-<time>`). They hold what the recording held.
#ifndef HARK_STORE_COPIES_H
#define HARK_STORE_COPIES_H

#include "hark/log.h"
#include "hark/store_writer.h"

#include <stdint.h>

// Removes those that were made before (Unix microseconds), and says which; how many are left.
int store_copies_remove_older(const struct store_writer *writer, int64_t upgrades_before_us,
                              int64_t damaged_before_us, struct log *log);

#endif
