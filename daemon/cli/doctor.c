// SPDX-License-Identifier: MIT
// hark doctor: looks at the whole set-up and says what mends each finding.
#include "doctor.h"

#include "hark/buffer.h"
#include "hark/mem.h"
#include "hark/terminal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT_COLUMN 9
#define WIDTH       80

static const char *const level_names[] = {"ok", "note", "warning", "problem"};
static const enum color level_colors[] = {COLOR_GREEN, COLOR_NONE, COLOR_YELLOW, COLOR_RED};

void doctor_say(struct doctor *doctor, enum finding_level level, const char *check, char *mend,
                const char *format, ...)
{
    struct buffer text = {0};
    va_list args;
    va_start(args, format);
    buffer_vprintf(&text, format, args);
    va_end(args);
    doctor->findings =
        mem_realloc(doctor->findings, (doctor->count + 1) * sizeof *doctor->findings);
    doctor->findings[doctor->count++] =
        (struct finding){.level = level, .check = check, .text = buffer_take(&text), .mend = mend};
}

// Breaks at spaces; what is longer than a line stays whole, to be copied.
static void print_wrapped(const char *text)
{
    size_t column = TEXT_COLUMN;
    while (*text != '\0') {
        size_t length = strcspn(text, " ");
        size_t columns = safe_text_columns(text, length);
        if (column > TEXT_COLUMN && column + 1 + columns > WIDTH) {
            printf("\n%*s", TEXT_COLUMN, "");
            column = TEXT_COLUMN;
        } else if (column > TEXT_COLUMN) {
            putchar(' ');
            column++;
        }
        safe_text_write(stdout, text, length, SAFE_LINE);
        column += columns;
        text += length;
        text += strspn(text, " ");
    }
    putchar('\n');
}

static void print_finding(const struct finding *finding, const struct terminal *terminal)
{
    char *line = mem_printf("%s: %s", finding->check, finding->text);
    fputs(terminal_color(terminal, level_colors[finding->level]), stdout);
    printf("%-*s", TEXT_COLUMN, level_names[finding->level]);
    fputs(terminal_reset(terminal), stdout);
    print_wrapped(line);
    if (finding->mend != NULL) {
        printf("%*smend: ", TEXT_COLUMN, "");
        safe_text_write(stdout, finding->mend, strlen(finding->mend), SAFE_LINE);
        putchar('\n');
    }
    free(line);
}

static size_t count_of(const struct doctor *doctor, enum finding_level level)
{
    size_t count = 0;
    for (size_t i = 0; i < doctor->count; i++)
        count += doctor->findings[i].level == level;
    return count;
}

static void print_json(const struct doctor *doctor)
{
    json_t *list = json_array();
    for (size_t i = 0; i < doctor->count; i++) {
        const struct finding *finding = &doctor->findings[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s?}", "level",
                                              level_names[finding->level], "check", finding->check,
                                              "text", finding->text, "mend", finding->mend));
    }
    json_t *object =
        json_pack("{s:I, s:I, s:o}", "problems", (json_int_t)count_of(doctor, FINDING_PROBLEM),
                  "warnings", (json_int_t)count_of(doctor, FINDING_WARNING), "findings", list);
    json_dumpf(object, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(object);
}

static void print_all(const struct doctor *doctor)
{
    struct terminal terminal = terminal_of(STDOUT_FILENO);
    for (size_t i = 0; i < doctor->count; i++)
        print_finding(&doctor->findings[i], &terminal);
    size_t problems = count_of(doctor, FINDING_PROBLEM);
    size_t warnings = count_of(doctor, FINDING_WARNING);
    printf("\n%zu problem%s, %zu warning%s.\n", problems, problems == 1 ? "" : "s", warnings,
           warnings == 1 ? "" : "s");
}

static void check_all(struct doctor *doctor)
{
    doctor_check_config(doctor);
    doctor_check_folder(doctor);
    doctor_check_disk(doctor);
    doctor_check_daemon(doctor);
    doctor_check_retention(doctor);
    doctor_check_mode(doctor);
    doctor_check_ports(doctor);
    doctor_check_recording(doctor);
    doctor_check_authority(doctor);
    doctor_check_environment(doctor);
    doctor_check_names(doctor);
    doctor_check_clock(doctor);
    doctor_check_limits(doctor);
    doctor_check_libraries(doctor);
}

static void fini(struct doctor *doctor)
{
    for (size_t i = 0; i < doctor->count; i++) {
        free(doctor->findings[i].text);
        free(doctor->findings[i].mend);
    }
    free(doctor->findings);
    json_decref(doctor->status);
}

static enum status run(struct invocation *invocation)
{
    if (invocation->word_count > 0)
        return invocation_fail(invocation, STATUS_USAGE, "unexpected argument \"%s\"",
                               invocation->words[0]);
    struct doctor doctor = {.invocation = invocation,
                            .config = invocation->config,
                            .data_dir = invocation->data_dir,
                            .db_path = invocation->db_path};
    check_all(&doctor);
    if (invocation_has(invocation, "json"))
        print_json(&doctor);
    else
        print_all(&doctor);
    enum status status = count_of(&doctor, FINDING_PROBLEM) > 0 ? STATUS_FAILED : STATUS_DONE;
    fini(&doctor);
    return status;
}

static const struct command_option options[] = {
    {"json", 0, NULL, "print one JSON object with all findings"},
    {NULL, 0, NULL, NULL},
};

const struct command command_doctor = {
    .name = "doctor",
    .summary = "check the set-up, with what mends each finding",
    .help = "Looks at the configuration, the data folder, the disk, the daemon, its mode and its\n"
            "ports, what is kept, the recording, who trusts the certificate authority, the\n"
            "environment of this shell, name resolution, clock, limits and libraries. Changes\n"
            "nothing.\n"
            "\n"
            "A finding is ok, a note, a warning (something will go wrong) or a problem (something\n"
            "does), and a line for a shell that mends it, with a word for people behind a #. Exit\n"
            "status 1 says that there are problems.\n",
    .options = options,
    .needs = NEEDS_CONFIG | JUDGES_CONFIG,
    .run = run,
};
