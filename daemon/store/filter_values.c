// SPDX-License-Identifier: MIT
// The numbers, ranges and times in a filter's words.
#include "filter.h"
#include "hark/units.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COUNT_DIGITS_MAX 18
#define NUMBER_MAX       32 // characters of a number with its unit
#define US_PER_SECOND    INT64_C(1000000)

// --- numbers and ranges -------------------------------------------------------------------------

int filter_parse_count(const char *text, int64_t *count)
{
    size_t length = strlen(text);
    if (length == 0 || length > COUNT_DIGITS_MAX || strspn(text, "0123456789") != length)
        return -1;
    *count = strtoll(text, NULL, 10);
    return 0;
}

int filter_parse_duration_us(const char *text, int64_t *us)
{
    int64_t ms;
    size_t length = strlen(text);
    if (length == 0 || isdigit((unsigned char)text[length - 1]) ||
        units_parse_duration(text, &ms) != 0)
        return -1;
    return __builtin_mul_overflow(ms, 1000, us) ? -1 : 0;
}

static int parse_span(const char *text, const char *dots, filter_number_fn parse, int64_t *low,
                      int64_t *high)
{
    char first[NUMBER_MAX];
    size_t length = (size_t)(dots - text);
    const char *last = dots + strlen("..");
    if (length >= sizeof(first) || (length == 0 && *last == '\0'))
        return -1;
    memcpy(first, text, length);
    first[length] = '\0';
    if ((length > 0 && parse(first, low) != 0) || (*last != '\0' && parse(last, high) != 0))
        return -1;
    return *low <= *high ? 0 : -1;
}

int filter_parse_range(const char *text, filter_number_fn parse, int64_t *low, int64_t *high)
{
    *low = 0;
    *high = INT64_MAX;
    const char *dots = strstr(text, "..");
    if (dots != NULL)
        return parse_span(text, dots, parse, low, high);

    size_t sign = strspn(text, "<>");
    bool is_inclusive = sign == 1 && text[1] == '=';
    int64_t number;
    if (sign > 1 || parse(text + sign + is_inclusive, &number) != 0)
        return -1;
    if (text[0] == '>')
        *low = is_inclusive || number == INT64_MAX ? number : number + 1;
    else if (text[0] == '<')
        *high = is_inclusive ? number : number - 1;
    else
        *low = *high = number;
    return 0;
}

// --- times --------------------------------------------------------------------------------------

// The beginning of the day that lies `days` before that of `now_us`.
static int64_t day_start_us(int64_t now_us, int days)
{
    time_t seconds = (time_t)(now_us / US_PER_SECOND);
    struct tm day;
    localtime_r(&seconds, &day);
    day.tm_hour = day.tm_min = day.tm_sec = 0;
    day.tm_mday -= days;
    day.tm_isdst = -1;
    return (int64_t)mktime(&day) * US_PER_SECOND;
}

// Reads `digits` digits into `number`, which may be at most `max`; NULL if they are not there.
static const char *read_digits(const char *at, int digits, int max, int *number)
{
    *number = 0;
    for (int i = 0; i < digits; i++, at++) {
        if (!isdigit((unsigned char)*at))
            return NULL;
        *number = *number * 10 + (*at - '0');
    }
    return *number <= max ? at : NULL;
}

// "2026-01-31"
static const char *read_date(const char *at, struct tm *time)
{
    int year;
    int month;
    at = read_digits(at, 4, 9999, &year);
    if (at == NULL || *at != '-' || year < 1970)
        return NULL;
    at = read_digits(at + 1, 2, 12, &month);
    if (at == NULL || *at != '-' || month < 1)
        return NULL;
    at = read_digits(at + 1, 2, 31, &time->tm_mday);
    time->tm_year = year - 1900;
    time->tm_mon = month - 1;
    return time->tm_mday >= 1 ? at : NULL;
}

// "12:00", "12:00:05" or "12:00:05.25"
static const char *read_clock(const char *at, struct tm *time, int64_t *fraction_us)
{
    at = read_digits(at, 2, 23, &time->tm_hour);
    if (at == NULL || *at != ':')
        return NULL;
    at = read_digits(at + 1, 2, 59, &time->tm_min);
    if (at == NULL || *at != ':')
        return at;
    at = read_digits(at + 1, 2, 59, &time->tm_sec);
    if (at == NULL || *at != '.')
        return at;
    int64_t unit = US_PER_SECOND / 10;
    for (at++; isdigit((unsigned char)*at); at++, unit /= 10)
        *fraction_us += (*at - '0') * unit;
    return at;
}

// "Z", "+02:00" or "-0530"; nothing is the local clock.
static int read_zone(const char *at, bool *is_local, int *offset_seconds)
{
    *is_local = *at == '\0';
    *offset_seconds = 0;
    if (*is_local || strcmp(at, "Z") == 0 || strcmp(at, "z") == 0)
        return 0;
    int sign = *at == '-' ? -1 : 1;
    int hours;
    int minutes;
    if ((*at != '-' && *at != '+') || (at = read_digits(at + 1, 2, 14, &hours)) == NULL)
        return -1;
    at = read_digits(at + (*at == ':'), 2, 59, &minutes);
    if (at == NULL || *at != '\0')
        return -1;
    *offset_seconds = sign * (hours * 3600 + minutes * 60);
    return 0;
}

static int to_us(struct tm *time, const char *zone, int64_t fraction_us, int64_t *us)
{
    bool is_local;
    int offset_seconds;
    if (read_zone(zone, &is_local, &offset_seconds) != 0)
        return -1;
    int day = time->tm_mday;
    time->tm_isdst = -1;
    time_t seconds = is_local ? mktime(time) : timegm(time);
    if (time->tm_mday != day) // there is no such day in this month
        return -1;
    *us = ((int64_t)seconds - offset_seconds) * US_PER_SECOND + fraction_us;
    return 0;
}

static int parse_date_time(const char *text, int64_t *us)
{
    struct tm time = {0};
    int64_t fraction_us = 0;
    const char *at = read_date(text, &time);
    if (at == NULL)
        return -1;
    if (*at == 'T' || *at == 't' || *at == ' ')
        at = read_clock(at + 1, &time, &fraction_us);
    return at == NULL ? -1 : to_us(&time, at, fraction_us, us);
}

static int parse_clock_today(const char *text, int64_t now_us, int64_t *us)
{
    time_t seconds = (time_t)(now_us / US_PER_SECOND);
    struct tm time;
    localtime_r(&seconds, &time);
    time.tm_sec = 0;
    int64_t fraction_us = 0;
    const char *at = read_clock(text, &time, &fraction_us);
    return at == NULL || *at != '\0' ? -1 : to_us(&time, at, fraction_us, us);
}

int filter_parse_time(const char *text, int64_t now_us, int64_t *us)
{
    int64_t ago_us;
    if (strcmp(text, "today") == 0 || strcmp(text, "yesterday") == 0) {
        *us = day_start_us(now_us, text[0] == 'y');
        return 0;
    }
    if (filter_parse_duration_us(text, &ago_us) == 0) {
        *us = now_us - ago_us;
        return 0;
    }
    return parse_clock_today(text, now_us, us) == 0 ? 0 : parse_date_time(text, us);
}
