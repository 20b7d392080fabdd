# SPDX-License-Identifier: MIT
"""HTTPS through CONNECT and hark's own certificate: what works without TLS works with it."""

import hashlib
import json
import re

import pytest
from harness import SCALE, wait_until
from harness.daemon import fields_of
from harness.large import BLOCK, MIB, block, hash_of, recorded_hash
from harness.origin import OK
from harness.tls import exchange_at_once

GET = b"GET /data?x=%31 HTTP/1.1\r\nHost: api.example.com\r\n"
POST = b"POST /submit HTTP/1.1\r\nHost: api.example.com\r\n"


class TestRows:
    def test_get(self, tls_origin, https_daemon, tls_client):
        fields = [("Content-Type", "application/json"), ("X-b", "2"), ("X-A", "1"), ("X-b", "3")]
        body = b'{"name": "hark", "bytes": "\\u0000"}'
        head = "".join(f"{name}: {value}\r\n" for name, value in fields).encode()
        answer = b"HTTP/1.1 203 Odd\r\n%sContent-Length: %d\r\n\r\n" % (head, len(body)) + body
        server = tls_origin(answer)
        hark = https_daemon(server)
        peer = tls_client(hark)
        sent = [("X-Z", "z"), ("x-a", "1"), ("Accept", "*/*"), ("x-a", "2")]
        lines = "".join(f"{name}: {value}\r\n" for name, value in sent).encode()
        response = peer.ask(GET + lines + b"\r\n")
        assert (response.status, response.body) == (203, body)
        assert response.head.fields[: len(fields)] == fields
        seen = server.requests[0]
        assert seen.head.start_line == "GET /data?x=%31 HTTP/1.1"
        assert seen.fields == [("Host", "api.example.com"), *sent]

        row = hark.row_of(peer)
        assert (row["kind"], row["state"], row["error"]) == ("http", "done", None)
        assert (row["method"], row["status"], row["reason"]) == ("GET", 203, "Odd")
        assert fields_of(row, "request_headers") == [("Host", "api.example.com"), *sent]
        assert fields_of(row, "response_headers")[: len(fields)] == fields
        assert hark.body(row["id"], "response") == body
        url = hark.value("SELECT url FROM traffic WHERE id = ?", row["id"])
        assert url == "https://api.example.com/data?x=%31"
        assert row["server_addr"] == server.host
        assert (row["sni"], row["error_text"]) == ("api.example.com", None)

    def test_tls_of_the_origin(self, tls_origin, https_daemon, tls_client):
        server = tls_origin()
        hark = https_daemon(server)
        peer = tls_client(hark)
        for _ in range(2):  # the second one on the same upstream connection
            assert peer.ask(GET + b"\r\n").status == 200
        first, second = hark.rows_of(peer, count=2)
        assert len(server.connections) == 1
        assert server.server_names == ["api.example.com"]
        for row in (first, second):
            assert row["tls_version"] == "TLSv1.3"
            assert re.fullmatch(r"TLS_\w+_SHA\d+", row["tls_cipher"])
            assert json.loads(row["server_cert"]) == {
                "subject": "CN=leaf",
                "issuer": "CN=root",
                "expires": "2056-01-01T00:00:00Z",
            }
        assert 0 < first["tls_us"] <= first["duration_us"]
        assert not second["tls_us"]

    def test_post(self, tls_origin, https_daemon, tls_client):
        body = bytes(range(256)) * 40
        server = tls_origin(OK)
        hark = https_daemon(server)
        peer = tls_client(hark)
        length = b"Content-Length: %d\r\n\r\n" % len(body)
        assert peer.ask(POST + length + body, method="POST").status == 200
        assert server.requests[0].body == body
        row = hark.row_of(peer)
        assert (row["method"], row["path"], row["request_size"]) == ("POST", "/submit", len(body))
        assert hark.body(row["id"], "request") == body

    def test_chunked_both_ways_with_trailers(self, tls_origin, https_daemon, tls_client):
        server = tls_origin(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n"
        )
        hark = https_daemon(server)
        peer = tls_client(hark)
        peer.send(POST + b"Transfer-Encoding: chunked\r\n\r\n", b"3\r\nabc\r\n", b"0\r\n\r\n")
        assert peer.response("POST").body == b"hello"
        assert server.requests[0].body == b"abc"
        row = hark.row_of(peer)
        assert fields_of(row, "response_trailers") == [("X-T", "1")]


class TestConnections:
    def test_keep_alive_inside_one_tunnel(self, tls_origin, https_daemon, tls_client):
        server = tls_origin()
        hark = https_daemon(server)
        peer = tls_client(hark)
        for number in range(20):
            assert peer.ask(GET + b"X-N: %d\r\n\r\n" % number).status == 200
        rows = hark.rows_of(peer, count=20)
        assert [dict(fields_of(row, "request_headers"))["X-N"] for row in rows] == [
            str(number) for number in range(20)
        ]
        assert len(server.connections) == 1

    def test_pipelining_inside_one_tunnel(self, tls_origin, https_daemon, tls_client):
        def handle(conn):
            while request := conn.read_request():
                body = request.target.encode()
                conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

        hark = https_daemon(tls_origin(handle))
        peer = tls_client(hark)
        request = b"GET /%d HTTP/1.1\r\nHost: api.example.com\r\n\r\n"
        peer.send(b"".join(request % number for number in range(10)))
        assert [peer.response().body for _ in range(10)] == [b"/%d" % n for n in range(10)]
        assert [row["path"] for row in hark.rows_of(peer, count=10)] == [f"/{n}" for n in range(10)]

    def test_close_ends_tls_and_tunnel(self, tls_origin, https_daemon, tls_client):
        hark = https_daemon(tls_origin())
        peer = tls_client(hark)
        assert peer.ask(GET + b"Connection: close\r\n\r\n").closes
        peer.assert_closed()

    def test_body_that_ends_with_the_connection(self, tls_origin, https_daemon, tls_client):
        def handle(conn):
            conn.read_request()
            conn.send(b"HTTP/1.1 200 OK\r\n\r\n" + BLOCK)
            conn.sock.unwrap()

        hark = https_daemon(tls_origin(handle))
        peer = tls_client(hark)
        response = peer.ask(GET + b"\r\n")
        assert response.complete and response.body == BLOCK
        assert hark.row_of(peer)["state"] == "done"

    def test_body_cut_by_the_origin_is_an_abort(self, tls_origin, https_daemon, tls_client):
        def handle(conn):
            conn.read_request()
            conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")

        hark = https_daemon(tls_origin(handle))
        peer = tls_client(hark)
        response = peer.ask(GET + b"\r\n")
        assert not response.complete and response.body == b"short"
        assert hark.row_of(peer)["state"] == "truncated"


class TestEarlyAnswers:
    def test_expect_reaches_the_origin_before_the_body(self, tls_origin, https_daemon, tls_client):
        def handle(conn):
            request = conn.read_head()
            assert request.get("expect") == "100-continue" and not conn.reader.buffer
            conn.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            conn.read_body(request)
            conn.send(OK)

        server = tls_origin(handle)
        hark = https_daemon(server)
        peer = tls_client(hark)
        peer.send(POST + b"Content-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        assert peer.reader.head().start_line.startswith("HTTP/1.1 100")
        assert peer.ask(b"body", method="POST").status == 200
        assert server.requests[0].body == b"body"
        assert json.loads(hark.row_of(peer)["interim"])[0]["status"] == 100

    def test_answer_before_the_upload_ends(self, tls_origin, https_daemon, tls_client):
        def handle(conn):
            conn.read_head()
            fields = b"Content-Length: 3\r\nConnection: close\r\n"
            conn.send(b"HTTP/1.1 413 Too Much\r\n" + fields + b"\r\nno\n")
            conn.wait_peer_closes()

        hark = https_daemon(tls_origin(handle))
        peer = tls_client(hark)
        peer.send(POST + b"Content-Length: 100000000\r\n\r\n" + BLOCK)
        response = peer.response("POST")
        assert (response.status, response.body) == (413, b"no\n")
        assert hark.row_of(peer)["status"] == 413

    def test_echo_while_the_upload_goes_on(self, tls_origin, https_daemon, tls_client):
        size = 8 * MIB

        def handle(conn):
            request = conn.read_head()
            conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            conn.read_body(request, conn.send)

        hark = https_daemon(tls_origin(handle))
        peer = tls_client(hark, seconds=30)
        body = b"".join(map(block, range(8)))
        head = POST + b"Content-Length: %d\r\n\r\n" % size
        peer.reader.buffer += exchange_at_once(peer, head + body, 20 * SCALE)
        response = peer.response("POST")
        assert response.complete and response.body == body
        row = hark.row_of(peer)
        assert (row["state"], row["request_size"], row["response_size"]) == ("done", size, size)

    def test_interim_103_is_recorded_and_the_answer_intact(
        self, tls_origin, https_daemon, tls_client
    ):
        hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
        hark = https_daemon(tls_origin(hints + OK))
        peer = tls_client(hark)
        response = peer.ask(GET + b"\r\n")
        assert (response.status, response.body) == (200, b"ok")
        interim = json.loads(hark.row_of(peer)["interim"])
        assert [one["status"] for one in interim] == [103]


class TestLargeBodies:
    @pytest.mark.parametrize(
        "mib", [64, pytest.param(1024, id="1-gib", marks=pytest.mark.soak)]
    )
    def test_download(self, tls_origin, https_daemon, tls_client, mib):
        def handle(conn):
            conn.read_request()
            conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (mib * MIB))
            for number in range(mib):
                conn.send(block(number))

        hark = https_daemon(tls_origin(handle))
        before = hark.rss()
        peer = tls_client(hark, seconds=60)
        peer.reader.keep = False
        digest = hashlib.sha256()
        response = peer.send(GET + b"\r\n").response(sink=digest.update, seconds=60)
        assert response.complete and digest.hexdigest() == hash_of(mib)
        row = hark.wait_row("1", seconds=60)
        assert recorded_hash(hark, row["id"], "response") == (hash_of(mib), mib * MIB)
        assert SCALE > 1 or hark.peak_rss() - before < 64 * MIB

    @pytest.mark.parametrize(
        "mib", [64, pytest.param(1024, id="1-gib", marks=pytest.mark.soak)]
    )
    def test_upload(self, tls_origin, https_daemon, tls_client, mib):
        digest = hashlib.sha256()

        def handle(conn):
            conn.reader.keep = False
            conn.read_body(conn.read_head(), digest.update)
            conn.send(OK)

        hark = https_daemon(tls_origin(handle))
        before = hark.rss()
        peer = tls_client(hark, seconds=60)
        peer.send(POST + b"Content-Length: %d\r\n\r\n" % (mib * MIB))
        for number in range(mib):
            peer.send(block(number))
        assert peer.response("POST", seconds=60).status == 200
        assert digest.hexdigest() == hash_of(mib)
        row = hark.wait_row("1", seconds=60)
        assert (row["state"], row["request_size"]) == ("done", mib * MIB)
        assert recorded_hash(hark, row["id"], "request") == (hash_of(mib), mib * MIB)
        assert SCALE > 1 or hark.peak_rss() - before < 64 * MIB

    def test_client_that_dies_in_the_upload(self, tls_origin, https_daemon, tls_client):
        def handle(conn):
            conn.read_request()

        server = tls_origin(handle)
        hark = https_daemon(server)
        peer = tls_client(hark)
        peer.send(POST + b"Content-Length: 100000000\r\n\r\n" + BLOCK)
        server.wait_requests(1)
        peer.reset()
        row = hark.row_of(peer)
        assert (row["state"], row["error"]) == ("client-abort", "client-abort")
        wait_until(server.connections[0].closed_by_peer.is_set, "the upload to be aborted")
