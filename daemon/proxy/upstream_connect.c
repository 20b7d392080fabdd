// SPDX-License-Identifier: MIT
// Connections without requests: libcurl resolves, connects and goes through the upstream proxy.
#include "upstream_private.h"

#include "hark/mem.h"
#include "route.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

struct upstream_connection {
    struct upstream_job job;
    const struct upstream_connect_ops *ops;
    void *ctx;
    bool is_wrapped; // in the TLS of a proxy
};

static void on_finished(struct upstream_job *job, CURLcode result)
{
    struct upstream_connection *connection = (struct upstream_connection *)job;
    if (result != CURLE_OK || job->problem.is_set) {
        struct upstream_failure failure;
        upstream_describe_failure(job, result, &failure);
        connection->ops->on_failed(connection->ctx, failure.status, failure.code, failure.text);
        return;
    }
    curl_socket_t fd = CURL_SOCKET_BAD;
    const char *ip = "";
    long port = 0;
    curl_easy_getinfo(job->easy, CURLINFO_ACTIVESOCKET, &fd);
    curl_easy_getinfo(job->easy, CURLINFO_PRIMARY_IP, &ip);
    curl_easy_getinfo(job->easy, CURLINFO_PRIMARY_PORT, &port);
    // libcurl takes its connection for an idle one that it may close whenever it likes.
    int own_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (own_fd < 0) {
        connection->ops->on_failed(connection->ctx, 502, "connect", strerror(errno));
        return;
    }
    struct buffer text = {0};
    bool is_v6 = strchr(ip, ':') != NULL;
    buffer_printf(&text, is_v6 ? "[%s]:%ld" : "%s:%ld", ip, port);
    connection->ops->on_connected(connection->ctx, own_fd, text.data);
    buffer_fini(&text);
}

struct upstream_connection *upstream_connect(struct upstream *upstream, const struct route *route,
                                             struct config *config,
                                             const struct upstream_connect_ops *ops, void *ctx)
{
    struct upstream_connection *connection = mem_calloc(1, sizeof(*connection));
    connection->ops = ops;
    connection->ctx = ctx;
    connection->is_wrapped = upstream_has_tls_proxy(config);
    upstream_begin_job(upstream, &connection->job, config, on_finished);
    struct buffer url = {0};
    buffer_printf(&url, "http://%s/", route->authority);
    curl_easy_setopt(connection->job.easy, CURLOPT_URL, url.data);
    curl_easy_setopt(connection->job.easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(connection->job.easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
    curl_multi_add_handle(upstream->multi, connection->job.easy);
    buffer_fini(&url);
    return connection;
}

void upstream_disconnect(struct upstream_connection *connection)
{
    if (connection == NULL)
        return;
    upstream_end_job(&connection->job);
    free(connection);
}

bool upstream_is_wrapped(const struct upstream_connection *connection)
{
    return connection->is_wrapped;
}

static ssize_t as_count(CURLcode result, size_t count)
{
    if (result == CURLE_OK)
        return (ssize_t)count;
    errno = result == CURLE_AGAIN ? EAGAIN : ECONNRESET;
    return -1;
}

ssize_t upstream_receive(struct upstream_connection *connection, void *buffer, size_t size)
{
    size_t count = 0;
    CURLcode result = curl_easy_recv(connection->job.easy, buffer, size, &count);
    return as_count(result, count);
}

ssize_t upstream_send(struct upstream_connection *connection, const void *data, size_t length)
{
    size_t count = 0;
    CURLcode result = curl_easy_send(connection->job.easy, data, length, &count);
    return as_count(result, count);
}
