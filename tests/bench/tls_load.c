// SPDX-License-Identifier: MIT
// Load over TLS, direct or through CONNECT: bench_tls_load PROXY-PORT ORIGIN-PORT CONNECTIONS
// SECONDS keep|fresh. Each connection is a thread that asks, waits for the answer, and asks again;
// "fresh" makes a new connection, with its CONNECT and handshake, for each request. A proxy port of
// 0 means no proxy. Prints "REQUESTS ERRORS SECONDS P50-MICROSECONDS".
#include "hark/clock.h"
#include "hark/mem.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECTIONS_MAX 1024
#define ANSWER_MAX      16384

struct load {
    SSL_CTX *context;
    int proxy_port;
    int origin_port;
    bool is_fresh;
    int64_t until_us;
};

struct client {
    const struct load *load;
    pthread_t thread;
    int fd; // -1: not connected
    SSL *session;
    int64_t errors;
    int64_t *durations_us;
    size_t count;
    size_t capacity;
};

static void disconnect(struct client *client)
{
    if (client->session != NULL)
        SSL_shutdown(client->session);
    SSL_free(client->session);
    client->session = NULL;
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
}

static int open_tunnel(int fd, int origin_port)
{
    char text[1024];
    int length =
        snprintf(text, sizeof(text), "CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n",
                 origin_port, origin_port);
    if (write(fd, text, (size_t)length) != length)
        return -1;
    // The origin does not speak first, so nothing but the head comes.
    size_t got = 0;
    text[0] = '\0';
    while (strstr(text, "\r\n\r\n") == NULL) {
        ssize_t count = read(fd, text + got, sizeof(text) - 1 - got);
        if (count <= 0)
            return -1;
        got += (size_t)count;
        text[got] = '\0';
    }
    return strncmp(text + strlen("HTTP/1.1"), " 200", 4) == 0 ? 0 : -1;
}

static int connect_client(struct client *client)
{
    const struct load *load = client->load;
    int port = load->proxy_port != 0 ? load->proxy_port : load->origin_port;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int one = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->fd < 0 ||
        connect(client->fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
        return -1;
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (load->proxy_port != 0 && open_tunnel(client->fd, load->origin_port) != 0)
        return -1;
    client->session = SSL_new(load->context);
    SSL_set_fd(client->session, client->fd);
    return SSL_connect(client->session) == 1 ? 0 : -1;
}

// One answer with a Content-Length, all of it.
static int read_answer(SSL *session)
{
    char text[ANSWER_MAX];
    size_t got = 0;
    size_t whole = sizeof(text);
    while (got < whole) {
        int count = SSL_read(session, text + got, (int)(sizeof(text) - 1 - got));
        if (count <= 0)
            return -1;
        got += (size_t)count;
        text[got] = '\0';
        const char *end = strstr(text, "\r\n\r\n");
        const char *length = strcasestr(text, "\r\nContent-Length:");
        if (end != NULL && length != NULL)
            whole = (size_t)(end + 4 - text) + strtoul(length + 17, NULL, 10);
    }
    return strncmp(text, "HTTP/1.1 200", 12) == 0 ? 0 : -1;
}

static int ask(struct client *client)
{
    char text[256];
    int length = snprintf(text, sizeof(text), "GET /json HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n",
                          client->load->origin_port);
    if (client->session == NULL && connect_client(client) != 0)
        return -1;
    if (SSL_write(client->session, text, length) != length)
        return -1;
    return read_answer(client->session);
}

static void note(struct client *client, int64_t duration_us)
{
    if (client->count == client->capacity) {
        client->capacity = client->capacity * 2 + 1024;
        client->durations_us =
            mem_realloc(client->durations_us, client->capacity * sizeof(client->durations_us[0]));
    }
    client->durations_us[client->count++] = duration_us;
}

static void *run_client(void *arg)
{
    struct client *client = arg;
    int64_t begin_us;
    while ((begin_us = clock_monotonic_us()) < client->load->until_us) {
        bool is_good = ask(client) == 0;
        if (is_good)
            note(client, clock_monotonic_us() - begin_us);
        else
            client->errors++;
        if (!is_good || client->load->is_fresh)
            disconnect(client);
    }
    disconnect(client);
    return NULL;
}

static int compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static void report(struct client *clients, int count, int64_t elapsed_us)
{
    struct client sum = {0};
    for (int i = 0; i < count; i++) {
        for (size_t j = 0; j < clients[i].count; j++)
            note(&sum, clients[i].durations_us[j]);
        sum.errors += clients[i].errors;
        free(clients[i].durations_us);
    }
    qsort(sum.durations_us, sum.count, sizeof(sum.durations_us[0]), compare);
    printf("%zu %lld %.3f %lld\n", sum.count, (long long)sum.errors, (double)elapsed_us / 1e6,
           sum.count == 0 ? 0LL : (long long)sum.durations_us[sum.count / 2]);
    free(sum.durations_us);
}

int main(int argc, char **argv)
{
    int count = argc == 6 ? atoi(argv[3]) : 0;
    if (count < 1 || count > CONNECTIONS_MAX) {
        fprintf(stderr, "usage: bench_tls_load PROXY-PORT ORIGIN-PORT CONNECTIONS SECONDS "
                        "keep|fresh\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    int64_t begin_us = clock_monotonic_us();
    struct load load = {.context = SSL_CTX_new(TLS_client_method()),
                        .proxy_port = atoi(argv[1]),
                        .origin_port = atoi(argv[2]),
                        .is_fresh = strcmp(argv[5], "fresh") == 0,
                        .until_us = begin_us + atoi(argv[4]) * INT64_C(1000000)};
    struct client *clients = mem_calloc((size_t)count, sizeof(*clients));
    for (int i = 0; i < count; i++) {
        clients[i] = (struct client){.load = &load, .fd = -1};
        if (pthread_create(&clients[i].thread, NULL, run_client, &clients[i]) != 0)
            abort();
    }
    for (int i = 0; i < count; i++)
        pthread_join(clients[i].thread, NULL);
    report(clients, count, clock_monotonic_us() - begin_us);
    free(clients);
    SSL_CTX_free(load.context);
    return 0;
}
