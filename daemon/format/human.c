// SPDX-License-Identifier: MIT
// Two or three digits are enough; who wants all of them asks for TSV or JSON.
#include "hark/human.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define US_PER_MS ((int64_t)1000)
#define US_PER_S  (1000 * US_PER_MS)
#define MINUTE_S  60
#define HOUR_S    (60 * MINUTE_S)
#define DAY_S     (24 * HOUR_S)

void human_append_size(struct buffer *out, int64_t bytes)
{
    static const char units[] = "kMGTPE";
    if (bytes < 1024) {
        buffer_printf(out, "%" PRId64, bytes);
        return;
    }
    double size = (double)bytes;
    size_t unit = 0;
    for (size /= 1024; size >= 1023.5 && units[unit + 1]; size /= 1024)
        unit++;
    buffer_printf(out, size < 9.95 ? "%.1f%c" : "%.0f%c", size, units[unit]);
}

void human_append_bytes(struct buffer *out, int64_t bytes)
{
    human_append_size(out, bytes);
    if (bytes < 1024)
        buffer_append_text(out, bytes == 1 ? " byte" : " bytes");
}

void human_append_duration(struct buffer *out, int64_t us)
{
    double ms = (double)us / US_PER_MS;
    if (ms < 9.95)
        buffer_printf(out, "%.1fms", ms);
    else if (ms < 999.5)
        buffer_printf(out, "%.0fms", ms);
    else if (us < 59950 * US_PER_MS)
        buffer_printf(out, "%.1fs", ms / 1000);
    else if (us < HOUR_S * US_PER_S)
        buffer_printf(out, "%" PRId64 "m%02" PRId64 "s", us / US_PER_S / MINUTE_S,
                      us / US_PER_S % MINUTE_S);
    else
        buffer_printf(out, "%" PRId64 "h%02" PRId64 "m", us / US_PER_S / HOUR_S,
                      us / US_PER_S % HOUR_S / MINUTE_S);
}

void human_append_age(struct buffer *out, int64_t us)
{
    int64_t seconds = us / US_PER_S;
    if (seconds < 1)
        buffer_append_text(out, "now");
    else if (seconds < MINUTE_S)
        buffer_printf(out, "%" PRId64 "s", seconds);
    else if (seconds < HOUR_S)
        buffer_printf(out, "%" PRId64 "m", seconds / MINUTE_S);
    else if (seconds < DAY_S)
        buffer_printf(out, "%" PRId64 "h", seconds / HOUR_S);
    else
        buffer_printf(out, "%" PRId64 "d", seconds / DAY_S);
}

void human_append_timestamp(struct buffer *out, int64_t wall_us)
{
    time_t seconds = (time_t)(wall_us / US_PER_S);
    struct tm when;
    char text[32];
    gmtime_r(&seconds, &when);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &when);
    buffer_printf(out, "%s.%03" PRId64 "Z", text, wall_us % US_PER_S / US_PER_MS);
}

void human_append_clock(struct buffer *out, int64_t wall_us)
{
    time_t seconds = (time_t)(wall_us / US_PER_S);
    struct tm when;
    char text[16];
    localtime_r(&seconds, &when);
    strftime(text, sizeof text, "%H:%M:%S", &when);
    buffer_append_text(out, text);
}

int human_parse_timestamp(const char *text, int64_t *wall_us)
{
    struct tm when = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &when);
    int ms = 0, taken = 0;
    if (!rest || sscanf(rest, ".%3dZ%n", &ms, &taken) != 1 || rest[taken])
        return -1;
    *wall_us = (int64_t)timegm(&when) * US_PER_S + ms * US_PER_MS;
    return 0;
}
