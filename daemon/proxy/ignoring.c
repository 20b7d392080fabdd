// SPDX-License-Identifier: MIT
// Each worker has a filter of its own, made again when a new configuration has another text; so
// neither a lock nor an atomic count is needed.
#include "ignoring.h"

#include "exchange.h"
#include "hark/mem.h"
#include "hark/store_reader.h"

#include <stdlib.h>
#include <string.h>

struct ignore_rule {
    int refs;
    char *text;
    struct filter *filter;
};

int ignoring_check(const struct config *config, struct err *err)
{
    if (config->ignore == NULL)
        return 0;
    struct filter *filter = filter_create_for_rows(config->ignore, err);
    filter_destroy(filter);
    if (filter != NULL)
        return 0;
    return err_prefix(err, "%s: ignore: %s", config_origin(config, "ignore"), config->ignore);
}

static struct ignore_rule *rule_create(const char *text)
{
    struct err ignored = {0};
    struct filter *filter = filter_create_for_rows(text, &ignored); // it has been checked
    if (filter == NULL)
        return NULL;
    struct ignore_rule *rule = mem_calloc(1, sizeof(*rule));
    rule->refs = 1;
    rule->text = mem_strdup(text);
    rule->filter = filter;
    return rule;
}

void ignoring_release(struct ignore_rule *rule)
{
    if (rule == NULL || --rule->refs > 0)
        return;
    filter_destroy(rule->filter);
    free(rule->text);
    free(rule);
}

struct ignore_rule *ignoring_current(struct worker *worker)
{
    const char *text = worker->config->ignore;
    struct ignore_rule *rule = worker->ignore;
    bool is_current = text == NULL ? rule == NULL : rule != NULL && strcmp(rule->text, text) == 0;
    if (!is_current) {
        ignoring_release(rule);
        rule = worker->ignore = text == NULL ? NULL : rule_create(text);
    }
    if (rule != NULL)
        rule->refs++;
    return rule;
}

void ignoring_judge(struct exchange *exchange, enum filter_stage stage)
{
    const struct ignore_rule *rule = exchange->ignore;
    if (rule == NULL || exchange->replay != NULL || exchange->journal.is_off ||
        exchange->journal.final != FINAL_NOT_SENT ||
        filter_judge(rule->filter, exchange->row, stage) != FILTER_YES)
        return;
    journal_withdraw(exchange);
    atomic_fetch_add_explicit(&exchange->worker->ignored, 1, memory_order_relaxed);
}

bool ignoring_is_open(const struct exchange *exchange)
{
    const struct ignore_rule *rule = exchange->ignore;
    return rule != NULL &&
           filter_judge(rule->filter, exchange->row, FILTER_AT_ANSWER) == FILTER_OPEN;
}
