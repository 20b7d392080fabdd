// SPDX-License-Identifier: MIT
// A look at the counters.
#include "admission.h"
#include "playback_recording.h"
#include "recorder.h"
#include "server_state.h"

#include <stdio.h>
#include <sys/stat.h>

static const char *const mode_names[] = {
    [CONFIG_MODE_RECORD] = "record",
    [CONFIG_MODE_PLAYBACK] = "playback",
    [CONFIG_MODE_PLAYBACK_OR_RECORD] = "playback-or-record",
    [CONFIG_MODE_OFF] = "off",
};

// NULL: it is.
static const char *why_not_ready(const struct server_status *status)
{
    if (status->is_draining)
        return "the daemon is about to end";
    if (status->must_record && !status->is_recording)
        return status->problem;
    if (status->must_record && status->is_held_up)
        return "another program has locked the recording, and what is recorded waits: fuser -v and "
               "the file name it";
    if (status->is_queue_full)
        return "the disk is slower than the traffic: the queue is full, and the traffic waits";
    if (status->must_record && status->is_crowded)
        return "what is marked leaves no room in keep_bytes: what is new is removed at once. "
               "Unmark some of it, or raise keep_bytes";
    return NULL;
}

void server_get_status(const struct server *server, struct server_status *status)
{
    *status = (struct server_status){.session_id = server->session_id,
                                     .started_us = server->started_us,
                                     .workers = (int64_t)server->worker_count};
    for (size_t i = 0; i < server->worker_count; i++) {
        const struct worker *worker = server->workers[i];
        status->connections += atomic_load(&worker->connections);
        status->exchanges_in_flight += atomic_load(&worker->in_flight);
        status->exchanges_total += atomic_load(&worker->exchanges_total);
        status->ignored += atomic_load(&worker->ignored);
    }
    admission_get_status(server->admission, status);
    status->failed_logins = authenticator_failures(server->authenticator);
    status->wants_login = atomic_load(&server->wants_login);
    recorder_get_status(server->recorder, status);
    struct stat file;
    if (stat(server->db_path, &file) == 0)
        status->db_bytes = (int64_t)file.st_size;
    status->mode = mode_names[atomic_load(&server->mode)];
    if (server->playback != NULL) {
        status->played_back = atomic_load(&server->playback->hits);
        status->playback_misses = atomic_load(&server->playback->misses);
    }
    status->is_draining = atomic_load(&server->is_draining);
    status->must_record = server->must_record;
    if (!status->must_record) {
        status->is_recording = false;
        snprintf(status->problem, sizeof(status->problem),
                 server->playback != NULL ? "mode is playback" : "mode is off");
    }
    status->not_ready = why_not_ready(status);
    status->is_ready = status->not_ready == NULL;
}
