// SPDX-License-Identifier: MIT
// Tunnels: an exchange whose bytes are relayed, and only counted.
#include "exchange_private.h"

#include "hark/clock.h"
#include "ignoring.h"

void exchange_tunnel_begin(struct exchange *exchange, const struct route *route)
{
    struct exchange_row *row = exchange->row;
    exchange_set_route(exchange, route);
    row->kind = ROW_KIND_TUNNEL;
    row->method = "CONNECT";
    row->request_version = route->protocol;
    row->host = exchange->route->host;
    row->port = exchange->route->port;
    row->status = 200;
    ignoring_judge(exchange, FILTER_AT_REQUEST);
}

void exchange_count_relayed(struct exchange *exchange, enum body_side side, size_t length)
{
    struct flow *flow = side == BODY_REQUEST ? &exchange->upload : &exchange->download;
    flow->total_bytes += (int64_t)length;
}

void exchange_tunnel_end(struct exchange *exchange, enum row_state state, const char *code,
                         const char *text)
{
    leg_fail(exchange, &exchange->request);
    leg_fail(exchange, &exchange->response);
    leg_fail(exchange, &exchange->delivery);
    exchange->ended_us = clock_monotonic_us();
    exchange_set_outcome(exchange, state, code, text);
}
