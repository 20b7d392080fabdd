// SPDX-License-Identifier: MIT
// Sessions: a part of the traffic with a row of its own, and most of them with an address of their
// own.
#include "hark/clock.h"
#include "hark/mem.h"
#include "playback_recording.h"
#include "recorder.h"
#include "server_state.h"

#include <stdio.h>
#include <sys/socket.h>

static void record_session(struct server *server, int64_t id, const char *command, int64_t ended_us)
{
    struct config *config = server_hold_config(server);
    const struct redaction rules = redaction_of(config, server->redact_key);
    struct record *record = record_create(0);
    record->session = mem_calloc(1, sizeof(*record->session));
    *record->session = (struct store_session){.id = id,
                                              .started_us = clock_wall_us(),
                                              .ended_us = ended_us,
                                              .command = redact_command(&rules, command)};
    config_release(config);
    recorder_push(server->recorder, record);
}

int server_open_session(struct server *server, const char *command, struct server_session *session,
                        struct err *err)
{
    pthread_mutex_lock(&server->mutex);
    int64_t id = server->next_session_id++;
    pthread_mutex_unlock(&server->mutex);
    struct listener *listener = listener_create("127.0.0.1:0", id, -1, err);
    if (listener == NULL)
        return -1;
    listener->asks_no_login = true; // whoever runs the program has no password for it
    session->id = id;
    snprintf(session->address, sizeof(session->address), "%s", listener->text);
    record_session(server, id, command, 0);
    if (server->playback != NULL)
        playback_tallies_open(&server->playback->tallies, id);
    server_add_listener(server, listener);
    server_listen_everywhere(server, listener);
    return 0;
}

static struct listener *take_session(struct server *server, int64_t id)
{
    pthread_mutex_lock(&server->mutex);
    struct listener **link = &server->listeners;
    while (*link != NULL && (*link)->session_id != id)
        link = &(*link)->next;
    struct listener *listener = *link;
    if (listener != NULL)
        *link = listener->next;
    pthread_mutex_unlock(&server->mutex);
    return listener;
}

int server_close_session(struct server *server, int64_t id, struct err *err)
{
    struct listener *listener = id == server->session_id ? NULL : take_session(server, id);
    if (listener == NULL)
        return err_set(err, "session %lld is not open", (long long)id);
    shutdown(listener->fd, SHUT_RDWR);
    record_session(server, id, "", clock_wall_us());
    if (server->playback != NULL)
        playback_tallies_close(&server->playback->tallies, id);
    server_post_to_all(server, &(struct inbox_item){.kind = INBOX_UNLISTEN, .listener = listener});
    listener_release(listener);
    return 0;
}

static bool is_open(struct server *server, int64_t id)
{
    pthread_mutex_lock(&server->mutex);
    const struct listener *listener = server->listeners;
    while (listener != NULL && listener->session_id != id)
        listener = listener->next;
    pthread_mutex_unlock(&server->mutex);
    return listener != NULL || id == server->session_id;
}

bool server_count_session(struct server *server, int64_t id, struct server_session_counts *counts)
{
    *counts = (struct server_session_counts){0};
    if (!is_open(server, id))
        return false;
    if (server->playback != NULL) {
        struct playback_tally tally = playback_tallies_get(&server->playback->tallies, id);
        counts->played_back = tally.hits;
        counts->playback_misses = tally.misses;
    }
    return true;
}

int64_t server_begin_session(struct server *server, const char *command)
{
    if (command == NULL)
        return server->session_id;
    pthread_mutex_lock(&server->mutex);
    int64_t id = server->next_session_id++;
    pthread_mutex_unlock(&server->mutex);
    record_session(server, id, command, 0);
    return id;
}

void server_end_session(struct server *server, int64_t id)
{
    if (id != server->session_id)
        record_session(server, id, "", clock_wall_us());
}

void server_close_sessions(struct server *server)
{
    struct listener *next;
    for (struct listener *at = server->listeners; at != NULL; at = next) {
        next = at->next;
        struct err ignored = {0};
        if (at->session_id != server->session_id)
            server_close_session(server, at->session_id, &ignored);
    }
}
