// SPDX-License-Identifier: MIT
// hark note: marks an exchange, or says something about it.
#include "daemon_client.h"
#include "hark/buffer.h"
#include "hark/mem.h"
#include "hark/store_note.h"
#include "hark/utf8.h"
#include "number.h"
#include "recording_owner.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum status read_change(const struct invocation *invocation, struct store_note *note)
{
    bool marks = invocation_has(invocation, "mark");
    bool unmarks = invocation_has(invocation, "unmark");
    bool removes = invocation_has(invocation, "remove");
    bool has_text = invocation->word_count == 2;
    if (invocation->word_count < 1 || invocation->word_count > 2 ||
        !id_is_well_formed(invocation->words[0]))
        return invocation_fail(invocation, STATUS_USAGE, "wants an ID, and a text in quotes");
    if ((marks && unmarks) || (removes && has_text))
        return invocation_fail(invocation, STATUS_USAGE, "the options contradict each other");
    if (!marks && !unmarks && !removes && !has_text)
        return invocation_fail(invocation, STATUS_USAGE,
                               "wants a text, --mark, --unmark or --remove");
    const char *text = has_text ? invocation->words[1] : NULL;
    if (text && (!*text || !utf8_is_valid(text, strlen(text))))
        return invocation_fail(invocation, STATUS_USAGE, "the text is %s",
                               *text ? "not UTF-8" : "empty; try --remove");
    note->sets_mark = marks || unmarks;
    note->is_marked = marks;
    note->sets_text = has_text || removes;
    note->text = text;
    return STATUS_DONE;
}

static enum status find_exchange(struct invocation *invocation, struct store_note *note)
{
    struct err err = {0};
    struct id_range range;
    enum status status = invocation_open_recording(invocation);
    if (status != STATUS_DONE)
        return status;
    enum store_found found = id_resolve(invocation->reader, invocation->words[0], &range, &err);
    if (found == STORE_READ_ERROR)
        return invocation_fail(invocation, STATUS_FAILED, "%s", err.text);
    if (found == STORE_NOT_FOUND)
        return invocation_fail(invocation, STATUS_NO_MATCH, "there is no exchange %s",
                               invocation->words[0]);
    if (!range.is_single)
        return invocation_fail(invocation, STATUS_USAGE, "wants one ID, not a range");
    note->exchange_id = range.first;
    return STATUS_DONE;
}

static enum status change_there(const struct invocation *invocation, struct store_note *note)
{
    struct buffer body = {0};
    struct err err = {0};
    json_t *value = NULL;
    char *path = mem_printf("/api/v1/exchanges/%" PRId64 "/note", note->exchange_id);
    buffer_append_char(&body, '{');
    if (note->sets_mark)
        buffer_printf(&body, "\"mark\":%s%s", note->is_marked ? "true" : "false",
                      note->sets_text ? "," : "");
    if (note->sets_text)
        buffer_append_text(&body, "\"text\":");
    if (note->sets_text && note->text)
        buffer_append_json_string(&body, note->text, strlen(note->text));
    else if (note->sets_text)
        buffer_append_text(&body, "null");
    buffer_append_char(&body, '}');
    enum daemon_answer answer =
        daemon_change(invocation->data_dir, "PUT", path, body.data, &value, &err);
    json_decref(value);
    buffer_fini(&body);
    free(path);
    note->is_found = true;
    if (answer == DAEMON_ABSENT)
        return invocation_fail(invocation, STATUS_UNREACHABLE, "the daemon has ended");
    if (answer == DAEMON_FAILED)
        return invocation_fail(invocation, STATUS_FAILED, "%s", err.text);
    return STATUS_DONE;
}

static enum status change_here(const struct invocation *invocation, struct store_note *note)
{
    struct log *log =
        log_create_for_command(STDERR_FILENO, LOG_LEVEL_WARN, invocation->command->name);
    struct err err = {0};
    enum status status = STATUS_FAILED;
    struct store_writer *writer = recording_open_writer(invocation, log);
    if (writer) {
        status = STATUS_DONE;
        if (store_run_here(writer, store_note_step, note, &err) < 0)
            status = invocation_fail(invocation, STATUS_FAILED, "%s", err.text);
        store_writer_close(writer);
    }
    log_destroy(log);
    return status;
}

static enum status run(struct invocation *invocation)
{
    struct store_note note = {0};
    bool has_daemon = false;
    enum status status = read_change(invocation, &note);
    if (status == STATUS_DONE)
        status = find_exchange(invocation, &note);
    struct exchange_row *row = NULL;
    struct err err = {0};
    if (status == STATUS_DONE &&
        store_get_row(invocation->reader, note.exchange_id, &row, &err) == STORE_NOT_FOUND)
        status = invocation_fail(invocation, STATUS_NO_MATCH, "there is no exchange %" PRId64,
                                 note.exchange_id);
    row_destroy(row);
    if (status == STATUS_DONE)
        status = recording_find_daemon(invocation, &has_daemon);
    if (status == STATUS_DONE)
        status = has_daemon ? change_there(invocation, &note) : change_here(invocation, &note);
    return status;
}

static const struct command_option options[] = {
    {"mark", 0, NULL, "mark it: a marked exchange is never pruned"},
    {"unmark", 0, NULL, "take the mark away"},
    {"remove", 0, NULL, "take the comment away"},
    {NULL, 0, NULL, NULL},
};

const struct command command_note = {
    .name = "note",
    .arguments = "ID [TEXT]",
    .summary = "mark an exchange or comment on it",
    .help = "Puts a comment on an exchange, in the place of the one it had, or marks it, or both.\n"
            "hark show shows them. ID is a number, @last, or @-2 (the second last).\n"
            "\n"
            "Examples:\n"
            "  hark note @last \"the one that broke the build\" --mark\n"
            "  hark note 12 --unmark --remove\n",
    .options = options,
    .needs = NEEDS_CONFIG | NEEDS_RECORDING,
    .run = run,
};
