// SPDX-License-Identifier: MIT
// A request on its way to its origin: libcurl's callbacks turned into events of its exchange.
//
// Response heads are parsed from the raw lines, since libcurl accepts more than a proxy may pass
// on. A request is never sent twice: see set_body() in upstream_request.c.
#include "upstream_private.h"

#include "curl_compat.h"
#include "hark/clock.h"
#include "hark/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

// From this status on libcurl takes an early answer for the reason to stop sending.
#define FIRST_STATUS_THAT_STOPS_SENDING 300
// Of an answer with its interim ones; libcurl's own limit, where it has one, is a little higher.
#define HEADS_BYTES_MAX ((size_t)256 * 1024)

// --- the answer's head -------------------------------------------------------------------------

static void on_interim_head(struct transfer *transfer)
{
    if (transfer->head.status == 101 && transfer->may_upgrade) {
        // libcurl takes a 101 that it did not ask for as the final answer, with a body that ends
        // with the connection, and goes on sending what it takes for the request's body.
        transfer->has_final_head = true;
        transfer->is_upgraded = true;
        upstream_take_tls(transfer);
        upgrade_begin(transfer->exchange, &transfer->head);
        return;
    }
    if (transfer->head.status == 101) {
        upstream_set_problem(&transfer->job, 502, "bad-response",
                             "the origin switched protocols (101) without being asked to");
        return;
    }
    if (transfer->head.status == 100)
        exchange_continue(transfer->exchange);
    exchange_interim(transfer->exchange, &transfer->head);
    transfer->head = (struct response_head){.arena = transfer->head.arena};
}

static void remember_unsent(struct transfer *transfer)
{
    if (transfer->is_unsent)
        return;
    transfer->is_unsent = true;
    transfer->unsent_next = transfer->job.upstream->unsent;
    transfer->job.upstream->unsent = transfer;
}

static void on_final_head(struct transfer *transfer)
{
    struct exchange *exchange = transfer->exchange;
    struct err err = {0};
    int64_t body_length = 0;
    if (response_head_body_length(&transfer->head, exchange->row->method, &body_length, &err) !=
        0) {
        upstream_set_problem(&transfer->job, 502, "bad-response", err.text);
        return;
    }
    transfer->has_final_head = true;
    bool stops_sending =
        transfer->head.status >= FIRST_STATUS_THAT_STOPS_SENDING || transfer->may_upgrade;
    transfer->may_upgrade = false;
    if (transfer->is_sending_paused && stops_sending)
        remember_unsent(transfer);
    upstream_take_tls(transfer);
    exchange_response_head(exchange, &transfer->head, body_length);
}

// Framing fields in a trailer section are never merged (RFC 9110 section 6.5.1): they stay apart.
static size_t on_trailer_line(struct transfer *transfer, const char *line, size_t length)
{
    struct exchange_row *row = transfer->exchange->row;
    struct response_head *trailer = &transfer->trailer;
    struct err err = {0};
    if (trailer->version == NULL)
        *trailer = (struct response_head){.arena = &row->arena, .version = ""};
    if (response_head_add_line(trailer, line, length, &err) == 0)
        row->response_trailers = trailer->fields;
    return length;
}

static size_t on_header(char *line, size_t size, size_t count, void *ctx)
{
    struct transfer *transfer = ctx;
    size_t length = size * count;
    struct err err = {0};
    transfer->heads_bytes += length;
    if (transfer->heads_bytes > HEADS_BYTES_MAX) {
        upstream_set_problem(&transfer->job, 502, "bad-response",
                             transfer->has_final_head ? "the trailer section is too large"
                                                      : "the head of the answer is too large");
        return 0;
    }
    if (transfer->has_final_head)
        return on_trailer_line(transfer, line, length);
    if (transfer->head.version == NULL)
        transfer->first_byte_us = clock_monotonic_us();
    if (response_head_add_line(&transfer->head, line, length, &err) != 0) {
        upstream_set_problem(&transfer->job, 502, "bad-response", err.text);
        return 0;
    }
    if (!transfer->head.is_complete)
        return length;
    if (transfer->head.status < 200)
        on_interim_head(transfer);
    else
        on_final_head(transfer);
    bool must_stop = transfer->job.problem.is_set || transfer->is_complete_at_head;
    return must_stop && (transfer->job.problem.is_set || transfer->has_final_head) ? 0 : length;
}

// --- bodies ------------------------------------------------------------------------------------

static size_t on_response_bytes(char *data, size_t size, size_t count, void *ctx)
{
    struct transfer *transfer = ctx;
    if (!transfer->has_final_head) {
        upstream_set_problem(&transfer->job, 502, "bad-response",
                             "content before the end of the head");
        return 0;
    }
    if (!exchange_has_room(transfer->exchange)) {
        transfer->is_receiving_paused = true;
        transfer->job.is_paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (transfer->is_upgraded)
        upgrade_origin_data(transfer->exchange, data, size * count);
    else
        exchange_response_data(transfer->exchange, data, size * count);
    return size * count;
}

// Will there be more to send?
static bool wants_more_request(const struct transfer *transfer)
{
    const struct exchange *exchange = transfer->exchange;
    if (transfer->is_upgraded)
        return !exchange->upload.is_ended && !transfer->has_origin_ended;
    return exchange->request == LEG_BODY || transfer->may_upgrade;
}

static size_t on_wanted_bytes(char *buffer, size_t size, size_t count, void *ctx)
{
    struct transfer *transfer = ctx;
    struct exchange *exchange = transfer->exchange;
    size_t taken = exchange_take_request_data(exchange, buffer, size * count);
    if (taken > 0) {
        if (!transfer->is_upgraded) // what follows a 101 is not the request
            transfer->sent_us = clock_monotonic_us();
        return taken;
    }
    if (transfer->is_upgraded && exchange->upload.is_ended) {
        transfer->must_shut_sending = true;
        remember_unsent(transfer);
    }
    if (wants_more_request(transfer)) {
        transfer->is_sending_paused = true;
        transfer->job.is_paused = true;
        return CURL_READFUNC_PAUSE;
    }
    return 0;
}

static int on_wanted_trailers(struct curl_slist **list, void *ctx)
{
    struct transfer *transfer = ctx;
    const struct fields *trailers = &transfer->exchange->row->request_trailers;
    for (size_t i = 0; i < trailers->count; i++) {
        struct buffer line = {0};
        buffer_printf(&line, "%s: %s", trailers->items[i].name, trailers->items[i].value);
        *list = curl_slist_append(*list, line.data);
        buffer_fini(&line);
    }
    return CURL_TRAILERFUNC_OK;
}

// --- the exchange's wishes ---------------------------------------------------------------------

static void continue_transfer(struct transfer *transfer)
{
    int still_paused = (transfer->is_sending_paused ? CURLPAUSE_SEND : 0) |
                       (transfer->is_receiving_paused ? CURLPAUSE_RECV : 0);
    transfer->job.is_paused = still_paused != 0;
    transfer->job.upstream->must_collect = true;
    curl_easy_pause(transfer->job.easy, still_paused);
}

static void on_more_request(void *source)
{
    struct transfer *transfer = source;
    if (!transfer->is_sending_paused)
        return;
    transfer->is_sending_paused = false;
    continue_transfer(transfer);
}

static void on_more_room(void *source)
{
    struct transfer *transfer = source;
    if (!transfer->is_receiving_paused)
        return;
    transfer->is_receiving_paused = false;
    continue_transfer(transfer);
}

// Sending waits for the client, receiving for nothing: the origin has closed its side. libcurl
// would wait for the end of the sending.
void upstream_note_quiet(struct upstream_job *job)
{
    struct transfer *transfer = (struct transfer *)job;
    if (!transfer->is_upgraded || transfer->is_receiving_paused)
        return;
    transfer->has_origin_ended = true;
    remember_unsent(transfer);
    job->upstream->must_collect = true;
}

static void forget_unsent(struct transfer *transfer)
{
    struct transfer **link = &transfer->job.upstream->unsent;
    while (transfer->is_unsent && *link != transfer)
        link = &(*link)->unsent_next;
    if (transfer->is_unsent)
        *link = transfer->unsent_next;
}

static void destroy_transfer(struct transfer *transfer)
{
    forget_unsent(transfer);
    transfer->is_upgraded = false; // libcurl lets go of the socket now for another reason
    upstream_end_job(&transfer->job);
    curl_slist_free_all(transfer->headers);
    free(transfer);
}

// A transfer whose sending is paused never ends, even if libcurl has given up sending. And that the
// client of an upgraded connection sends nothing more is passed on once libcurl knows: 8.14 takes
// it for an error if its last, empty write fails.
void upstream_settle_unsent(struct upstream *upstream)
{
    while (upstream->unsent != NULL) {
        struct transfer *transfer = upstream->unsent;
        upstream->unsent = transfer->unsent_next;
        transfer->is_unsent = false;
        if (transfer->must_shut_sending)
            shutdown(transfer->job.fd, SHUT_WR);
        else
            on_more_request(transfer);
    }
}

// --- the end of a transfer ---------------------------------------------------------------------

static int64_t get_time_us(CURL *easy, CURLINFO info)
{
    curl_off_t time_us = 0;
    curl_easy_getinfo(easy, info, &time_us);
    return (int64_t)time_us;
}

// libcurl's clocks run from the start of the transfer; a phase that did not happen is -1.
static void take_timing(struct transfer *transfer)
{
    struct exchange_row *row = transfer->exchange->row;
    CURL *easy = transfer->job.easy;
    int64_t resolved_us = get_time_us(easy, CURLINFO_NAMELOOKUP_TIME_T);
    int64_t connected_us = get_time_us(easy, CURLINFO_CONNECT_TIME_T);
    int64_t secured_us = get_time_us(easy, CURLINFO_APPCONNECT_TIME_T);
    int64_t ready_us = get_time_us(easy, CURLINFO_PRETRANSFER_TIME_T);
    long new_connections = 0;
    curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &new_connections);
    struct row_timing *timing = &row->timing;
    if (new_connections > 0 && connected_us > 0) {
        timing->dns_us = resolved_us;
        timing->connect_us = connected_us - resolved_us;
    }
    if (new_connections > 0 && secured_us > 0)
        timing->tls_us = secured_us - connected_us;
    if (ready_us == 0)
        return;
    // libcurl takes the first byte of an upload for the start of the transfer, so the rest is
    // measured here. An answer may begin before the request has ended.
    int64_t ready_at_us = transfer->job.began_us + ready_us;
    int64_t sent_at_us = transfer->sent_us > ready_at_us ? transfer->sent_us : ready_at_us;
    timing->send_us = sent_at_us - ready_at_us;
    if (transfer->first_byte_us == 0)
        return;
    timing->wait_us =
        transfer->first_byte_us > sent_at_us ? transfer->first_byte_us - sent_at_us : 0;
    timing->receive_us = clock_monotonic_us() - transfer->first_byte_us;
}

static void take_server_address(struct transfer *transfer)
{
    struct exchange_row *row = transfer->exchange->row;
    const char *ip = NULL;
    long port = 0;
    curl_easy_getinfo(transfer->job.easy, CURLINFO_PRIMARY_IP, &ip);
    curl_easy_getinfo(transfer->job.easy, CURLINFO_PRIMARY_PORT, &port);
    if (ip == NULL || ip[0] == '\0')
        return;
    bool is_v6 = strchr(ip, ':') != NULL;
    row->server_addr = arena_printf(&row->arena, is_v6 ? "[%s]:%ld" : "%s:%ld", ip, port);
}

static void on_detach(void *source)
{
    take_timing(source);
    take_server_address(source);
    destroy_transfer(source);
}

static const struct source_ops ops = {
    .more_request = on_more_request, .more_room = on_more_room, .detach = on_detach};

// In TLS 1.3 the client is done before the origin has looked at its certificate: a refusal is an
// alert or a bare reset instead of an answer.
static void explain_client_cert(const struct transfer *transfer, struct upstream_failure *failure)
{
    long new_connections = 0;
    curl_easy_getinfo(transfer->job.easy, CURLINFO_NUM_CONNECTS, &new_connections);
    if (!transfer->is_asked_for_certificate || new_connections == 0 ||
        transfer->head.version != NULL)
        return;
    if (strcmp(failure->code, "upstream-reset") == 0)
        failure->code = "tls";
    size_t length = strlen(failure->text);
    const char *shown = transfer->client_cert;
    snprintf(failure->text + length, sizeof(failure->text) - length,
             shown == NULL ? "; the origin asked for a client certificate: name one with "
                             "upstream_client_cert"
                           : "; the origin asked for a client certificate and was shown %s",
             shown);
}

static void on_finished(struct upstream_job *job, CURLcode result)
{
    struct transfer *transfer = (struct transfer *)job;
    struct exchange *exchange = transfer->exchange;
    take_timing(transfer);
    take_server_address(transfer);
    bool has_all_content = exchange->response_length >= 0 &&
                           exchange->download.total_bytes == exchange->response_length;
    bool is_whole = transfer->has_final_head && !job->problem.is_set &&
                    (result == CURLE_OK || transfer->is_complete_at_head || has_all_content);
    struct upstream_failure failure;
    upstream_describe_failure(job, result, &failure);
    if (result == CURLE_OK && !job->problem.is_set) {
        failure.code = "bad-response";
        snprintf(failure.text, sizeof(failure.text), "%s",
                 transfer->head.version != NULL ? "the origin closed the connection inside the head"
                                                : "the origin sent no answer");
    }
    bool is_clean = result == CURLE_OK && !job->problem.is_set;
    if (!is_whole)
        explain_client_cert(transfer, &failure);
    exchange_detach_source(exchange);
    destroy_transfer(transfer);
    if (exchange->upgrade != NULL)
        upgrade_origin_ended(exchange, is_clean, failure.text);
    else if (is_whole)
        exchange_response_end(exchange);
    else
        exchange_response_fail(exchange, failure.status, failure.code, failure.text);
}

// --- starting ----------------------------------------------------------------------------------

// Called when the request is about to be sent: from here on the origin owes an answer.
static int on_connected(void *ctx, char *server_ip, char *own_ip, int server_port, int own_port)
{
    struct transfer *transfer = ctx;
    (void)server_ip;
    (void)own_ip;
    (void)server_port;
    upstream_end_lookup(&transfer->job);
    upstream_leave_idle(transfer->job.upstream, own_port);
    const struct exchange *exchange = transfer->exchange;
    transfer->job.is_connected = true;
    // libcurl would be content with the common name, which clients stopped looking at.
    if (strcmp(exchange->target.scheme, "https") == 0 && exchange->config->upstream_verify &&
        !upstream_has_alternative_name(transfer)) {
        upstream_take_tls(transfer);
        upstream_set_problem(&transfer->job, 502, "tls-verify",
                             "SSL: the certificate has no subject alternative name, and the common "
                             "name does not count");
        return CURL_PREREQFUNC_ABORT;
    }
    transfer->is_asked_for_certificate = upstream_wants_client_cert(transfer);
    exchange_connected(transfer->exchange);
    return CURL_PREREQFUNC_OK;
}

static void set_callbacks(struct transfer *transfer)
{
    CURL *easy = transfer->job.easy;
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_response_bytes);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_wanted_bytes);
    curl_easy_setopt(easy, CURLOPT_READDATA, transfer);
    if (transfer->is_chunked) {
        curl_easy_setopt(easy, CURLOPT_TRAILERFUNCTION, on_wanted_trailers);
        curl_easy_setopt(easy, CURLOPT_TRAILERDATA, transfer);
    }
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_connected);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, transfer);
}

void upstream_start(struct exchange *exchange)
{
    struct upstream *upstream =
        exchange->upstream != NULL ? exchange->upstream : exchange->worker->upstream;
    struct transfer *transfer = mem_calloc(1, sizeof(*transfer));
    transfer->exchange = exchange;
    transfer->is_chunked = exchange->request_length == BODY_LENGTH_CHUNKED;
    transfer->may_upgrade = upgrade_is_asked(exchange);
    transfer->head.arena = &exchange->row->arena;
    upstream_begin_job(upstream, &transfer->job, exchange->config, on_finished);
    set_callbacks(transfer);
    upstream_set_request(transfer);
    exchange_attach(exchange, &ops, transfer);
    upstream_check_fresh(upstream);
    CURLMcode result = curl_multi_add_handle(upstream->multi, transfer->job.easy);
    if (result != CURLM_OK)
        exchange_response_fail(exchange, 502, "connect", curl_multi_strerror(result));
}
