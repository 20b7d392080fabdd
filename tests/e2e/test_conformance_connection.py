# SPDX-License-Identifier: MIT
"""Conformance: bodies of requests, one connection with several requests, interim responses."""

import json
import re
import threading

import pytest
from harness import wait_until
from harness.conformance import cases, deviation, fill
from harness.origin import OK, reply_and_close

GET = b"GET {url}/%d HTTP/1.1\r\nHost: {host}\r\n\r\n"


@cases(
    l21_length=(b"Content-Length: 100\r\n\r\nhello", "close"),
    l21_length_reset=(b"Content-Length: 100\r\n\r\nhello", "reset"),
    l21_chunked=(b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "close"),
    l21_chunked_reset=(b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "reset"),
    l21_inside_a_chunk=(b"Transfer-Encoding: chunked\r\n\r\n50\r\nhello", "close"),
    l21_after_last_data_chunk=(b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", "close"),
)
def test_client_dies_in_its_body(hark, origin, client, case, given):
    server = origin()
    rest, how = given
    peer = client(hark).send(fill(b"POST {url}/x HTTP/1.1\r\nHost: {host}\r\n" + rest, server))
    server.wait_requests(1)
    wait_until(lambda: b"hello" in server.received, "the body's start at the origin")
    getattr(peer, how)()
    row = hark.row_of(peer)
    assert row["state"] == "client-abort"
    conn = server.connections[0]
    assert conn.closed_by_peer.wait(5), "the upstream connection was left open"
    assert not server.requests[0].complete
    assert hark.body(row["id"], "request") == b"hello"


@pytest.mark.parametrize("sent", [5, 30_000, 400_000], ids=lambda n: f"21-{n}-bytes")
def test_client_that_was_gone_before_its_body_was_read(hark, origin, client, sent):
    """A part of the body and the end of the stream are there at once."""
    server = origin()
    head = b"POST {url}/x HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000000\r\n\r\n"
    for _ in range(5):
        peer = client(hark).send(fill(head, server) + b"x" * sent)
        peer.close()
        assert hark.row_of(peer)["state"] == "client-abort"


def test_client_dies_while_the_answer_comes(hark, origin, client):
    """21, the other leg: upstream is aborted when nobody listens any more"""

    def endless(conn):
        conn.read_request()
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while conn.send(b"x" * 65536):
            pass

    server = origin(endless)
    peer = client(hark).send(fill(GET % 1, server))
    peer.reader.head()
    peer.reset()
    assert hark.row_of(peer)["state"] == "client-abort"
    assert server.connections[0].closed_by_peer.wait(5)


@pytest.mark.parametrize("how", ["close", "reset"], ids=lambda h: f"21-{h}")
def test_client_dies_while_the_origin_thinks(hark, origin, client, how):
    def silent(conn):
        conn.read_request()
        conn.wait_peer_closes()

    server = origin(silent)
    peer = client(hark).send(fill(GET % 1, server))
    server.wait_requests(1)
    getattr(peer, how)()
    assert hark.row_of(peer)["state"] == "client-abort"
    assert server.connections[0].closed_by_peer.wait(5)


def test_two_pipelined_requests(hark, origin, client):
    """22: two answers in order, two rows"""
    gate = threading.Event()

    def handle(conn):
        while request := conn.read_request():
            if request.target == "/1":
                gate.wait(10)
            body = request.target.encode()
            conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    server = origin(handle)
    peer = client(hark).send(fill(GET % 1 + GET % 2, server))
    server.wait_requests(1)
    gate.set()
    assert [peer.response().body, peer.response().body] == [b"/1", b"/2"]
    assert [row["path"] for row in hark.rows_of(peer, count=2)] == ["/1", "/2"]


@pytest.mark.parametrize(
    "method",
    ["GET", "DELETE", "OPTIONS", "HEAD", "PATCH", "M-FOO"],
    ids=lambda m: f"23-{m.lower()}",
)
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_any_method_may_have_a_body(hark, origin, client, method, framing):
    server = origin(
        lambda conn: [
            conn.send(OK if r.method != "HEAD" else OK[:-2]) for r in iter(conn.read_request, None)
        ]
    )
    body = {
        "length": b"Content-Length: 5\r\n\r\nhello",
        "chunked": b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    }[framing]
    peer = client(hark)
    head = method.encode() + b" {url}/x HTTP/1.1\r\nHost: {host}\r\n"
    assert peer.ask(fill(head + body, server), method=method).status == 200
    assert server.requests[0].body == b"hello"
    assert peer.ask(fill(GET % 2, server)).status == 200
    assert server.requests[1].target == "/2"
    rows = hark.rows_of(peer, count=2)
    assert hark.body(rows[0]["id"], "request") == b"hello"
    assert rows[0]["request_size"] == 5


def test_body_that_looks_like_a_request_is_a_body(hark, origin, client):
    """23"""
    server = origin()
    inner = fill(GET % 9, server)
    peer = client(hark)
    head = fill(
        b"GET {url}/1 HTTP/1.1\r\nHost: {host}\r\nContent-Length: %d\r\n\r\n" % len(inner), server
    )
    assert peer.ask(head + inner).status == 200
    assert peer.ask(fill(GET % 2, server)).status == 200
    assert [r.target for r in server.requests] == ["/1", "/2"]
    assert len(hark.rows_of(peer, count=2)) == 2


@cases(
    l24_close=b"Connection: close\r\n",
    l24_mixed_case=b"Connection: Close\r\n",
    l24_in_a_list=b"Connection: X-Hop, close\r\n",
)
def test_nothing_is_read_after_connection_close(hark, origin, client, case, given):
    server = origin()
    first = b"GET {url}/1 HTTP/1.1\r\nHost: {host}\r\n" + given + b"\r\n"
    peer = client(hark).send(fill(first + GET % 2, server))
    response = peer.response()
    assert response.status == 200
    assert response.closes
    peer.assert_closed()
    assert [r.target for r in server.requests] == ["/1"]
    assert len(hark.rows_of(peer)) == 1


EXPECT = (
    b"POST {url}/x HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
)


def test_expect_reaches_the_origin_before_the_body(hark, origin, client):
    """43, 44: the origin's 100 is relayed, then the body goes on"""
    head_seen = threading.Event()
    go_on = threading.Event()

    def handle(conn):
        request = conn.read_head()
        head_seen.set()
        go_on.wait(10)
        conn.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        conn.read_body(request)
        conn.send(OK)

    server = origin(handle)
    peer = client(hark).send(fill(EXPECT, server))
    assert head_seen.wait(5)
    assert server.requests[0].get("expect") == "100-continue"
    go_on.set()
    assert peer.response(interim=False).status == 100
    response = peer.ask(b"hello")
    assert (response.status, response.body) == (200, b"ok")
    assert server.requests[0].body == b"hello"
    assert hark.body(hark.row_of(peer)["id"], "request") == b"hello"


@pytest.mark.parametrize("status", [417, 401, 413], ids=lambda s: f"43-{s}")
def test_refusal_of_expect_is_relayed_and_the_body_not_sent(hark, origin, client, status):
    def handle(conn):
        conn.read_head()
        conn.send(b"HTTP/1.1 %d No\r\nContent-Length: 2\r\n\r\nno" % status)
        conn.wait_peer_closes()

    server = origin(handle)
    peer = client(hark).send(fill(EXPECT, server))
    response = peer.response(interim=False)
    assert (response.status, response.body) == (status, b"no")
    row = hark.row_of(peer)
    assert (row["status"], row["error"]) == (status, None)
    peer.close()
    assert server.connections[0].closed_by_peer.wait(5)
    assert server.received.endswith(b"\r\n\r\n")


def test_origin_that_ignores_expect_still_gets_the_body(hark, origin, client):
    """43: an origin that never sends 100 must not hang the client for ever"""
    server = origin()
    peer = client(hark).send(fill(EXPECT, server))
    assert peer.ask(b"hello").status == 200
    assert server.requests[0].body == b"hello"


@cases(
    l44_processing=[b"HTTP/1.1 102 Processing\r\n\r\n"],
    l44_early_hints=[b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"],
    l44_many=[b"HTTP/1.1 103 Early Hints\r\nX-Hint: %d\r\n\r\n" % i for i in range(20)],
    l44_unasked_100=[b"HTTP/1.1 100 Continue\r\n\r\n"],
    l44_unknown=[b"HTTP/1.1 199 Odd\r\nX-Hint: 1\r\n\r\n"],
    l44_with_framing_fields=[
        b"HTTP/1.1 103 Early Hints\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n"
    ],
)
def test_interim_responses_leave_the_final_one_intact(hark, origin, client, case, given):
    final = b"HTTP/1.1 200 OK\r\nX-Final: 1\r\nContent-Length: 2\r\n\r\nok"
    server = origin(b"".join(given) + final)
    peer = client(hark)
    response = peer.ask(fill(GET % 1, server))
    assert (response.status, response.body) == (200, b"ok")
    assert set(response.head.names()) <= {"x-final", "content-length", "connection"}
    row = hark.row_of(peer)
    assert (row["status"], row["state"]) == (200, "done")
    names = [name for name, _ in json.loads(row["response_headers"])]
    assert names == ["X-Final", "Content-Length"]
    recorded = json.dumps([str(value) for value in dict(row).values()])
    assert given[0].split(b" ")[1].decode() in recorded, "the interim response is not recorded"
    if not deviation(hark, case):
        assert [head.start_line.split(" ")[1] for head in response.interim] == [
            raw.split(b" ")[1].decode() for raw in given if not raw.startswith(b"HTTP/1.1 100")
        ]


@cases(
    l45_with_upgrade=b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\nxxxx",
    l45_bare=b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    l45_then_a_response=b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + OK,
)
def test_unasked_101_is_a_bad_response(hark, origin, client, case, given):
    server = origin(reply_and_close(given))
    peer = client(hark)
    response = peer.ask(fill(GET % 1, server))
    assert response.status == 502
    assert response.get("hark-error") == "bad-response"
    assert hark.row_of(peer)["error"] == "bad-response"


@pytest.mark.parametrize("scheme", ["NTLM", "Negotiate", "negotiate"])
def test_authenticated_connection_is_never_shared(daemon, origin, client, scheme):
    """NTLM and Negotiate authenticate a connection to the origin: it stays the client's own"""
    hark, server = daemon(settings=["workers=1"]), origin()
    plain = b"GET {url}/%s HTTP/1.1\r\nHost: {host}\r\n\r\n"
    login = plain[:-2] + b"Authorization: %s " % scheme.encode() + b"%s\r\n\r\n"
    alice, bob = client(hark), client(hark)
    bob.ask(fill(plain % b"before", server))
    alice.ask(fill(login % (b"login-1", b"b25l"), server))
    alice.ask(fill(login % (b"login-2", b"dHdv"), server))
    bob.ask(fill(plain % b"after", server))
    alice.ask(fill(plain % b"inside", server))
    targets = [re.findall(rb"GET (/\S+)", each.received) for each in server.connections]
    assert targets == [[b"/before", b"/after"], [b"/login-1", b"/login-2", b"/inside"]]
