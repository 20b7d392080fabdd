# SPDX-License-Identifier: MIT
"""Bodies that are long, slow, early or endless: they stream, and memory does not depend on them."""

import hashlib
import os
import threading

import pytest
from harness import LARGE_MIB, SCALE, wait_stable, wait_until
from harness.conformance import fill
from harness.daemon import fields_of
from harness.large import MIB, block, hash_of, recorded_hash
from harness.origin import OK

GET = b"GET {url}/x HTTP/1.1\r\nHost: {host}\r\n\r\n"
POST = b"POST {url}/x HTTP/1.1\r\nHost: {host}\r\n"
MEDIUM = pytest.param(64 if SCALE == 1 else 16, id="medium")
SIZES = [MEDIUM, pytest.param(1024, id="1-gib", marks=pytest.mark.soak)]
# A sanitizer keeps freed memory for a while: there the figure says nothing.
MEMORY_ALLOWED = 64 * MIB if SCALE == 1 else 1024 * MIB


def send_body(send, mib, framing):
    """Send `mib` MiB as content with a length, as chunks, or bare."""
    for number in range(mib):
        data = block(number)
        sent = send(b"%x\r\n" % len(data), data, b"\r\n") if framing == "chunked" else send(data)
        if sent is False:
            return
    if framing == "chunked":
        send(b"0\r\n\r\n")


def framing_field(mib, framing):
    return {
        "length": b"Content-Length: %d\r\n" % (mib * MIB),
        "chunked": b"Transfer-Encoding: chunked\r\n",
        "close": b"",
    }[framing] + b"\r\n"


class TestLargeBodies:
    @pytest.mark.parametrize("mib", SIZES)
    @pytest.mark.parametrize("framing", ["length", "chunked", "close"])
    def test_download_is_the_same_everywhere(self, daemon, origin, client, mib, framing):
        def handle(conn):
            conn.read_request()
            conn.send(b"HTTP/1.1 200 OK\r\n" + framing_field(mib, framing))
            send_body(conn.send, mib, framing)

        hark, server = daemon(), origin(handle)
        before = hark.rss()
        peer = client(hark)
        peer.reader.keep = False
        digest = hashlib.sha256()
        response = peer.send(fill(GET, server)).response(sink=digest.update, seconds=60)
        assert response.complete and response.status == 200
        assert digest.hexdigest() == hash_of(mib)
        row = hark.wait_row("1", seconds=60)
        assert (row["state"], row["response_size"]) == ("done", mib * MIB)
        assert recorded_hash(hark, row["id"], "response") == (hash_of(mib), mib * MIB)
        assert hark.peak_rss() - before < MEMORY_ALLOWED

    @pytest.mark.parametrize("mib", SIZES)
    @pytest.mark.parametrize("framing", ["length", "chunked"])
    def test_upload_is_the_same_everywhere(self, daemon, origin, client, mib, framing):
        digest = hashlib.sha256()

        def handle(conn):
            conn.reader.keep = False
            conn.read_body(conn.read_head(), digest.update)
            conn.send(OK)

        hark, server = daemon(), origin(handle)
        before = hark.rss()
        peer = client(hark, seconds=60)
        peer.send(fill(POST, server) + framing_field(mib, framing))
        send_body(peer.send, mib, framing)
        assert peer.response(seconds=60).status == 200
        assert digest.hexdigest() == hash_of(mib)
        row = hark.wait_row("1", seconds=60)
        assert (row["state"], row["request_size"]) == ("done", mib * MIB)
        assert recorded_hash(hark, row["id"], "request") == (hash_of(mib), mib * MIB)
        assert hark.peak_rss() - before < MEMORY_ALLOWED


class TestBackpressure:
    def test_slow_reader_stalls_the_origin(self, daemon, origin, client):
        def handle(conn):
            conn.read_request()
            conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (1024 * MIB))
            send_body(conn.send, 1024, "length")

        hark, server = daemon(), origin(handle, send_buffer=65536)
        before = hark.rss()
        peer = client(hark, receive_buffer=65536).send(fill(GET, server))
        server.wait_requests(1)
        sent = wait_stable(lambda: server.connections[0].sent, "the origin's sending")
        assert (
            sent < 32 * MIB
        ), f"{sent} bytes were taken from the origin for a client that reads nothing"
        assert hark.rss() - before < MEMORY_ALLOWED // 2
        # the stall is no end: what was held back comes when the client reads
        peer.reader.head()
        digest = hashlib.sha256()
        peer.reader.exactly(4 * MIB, digest.update)
        assert digest.hexdigest() == hash_of(4)
        peer.close()
        assert hark.wait_row("1")["state"] == "client-abort"
        assert server.connections[0].closed_by_peer.wait(5 * SCALE)

    def test_slow_origin_stalls_the_client(self, daemon, origin, client):
        go_on = threading.Event()

        def handle(conn):
            request = conn.read_head()
            go_on.wait(60)
            conn.reader.keep = False
            conn.read_body(request)
            conn.send(OK)

        mib = LARGE_MIB
        hark, server = daemon(), origin(handle, receive_buffer=65536)
        before = hark.rss()
        peer = client(hark, seconds=60)
        progress = [0]

        def upload():
            peer.send(fill(POST, server) + framing_field(mib, "length"))
            for number in range(mib):
                data = block(number)
                for start in range(0, MIB, 65536):
                    peer.send(data[start : start + 65536])
                    progress[0] += 65536

        uploader = threading.Thread(target=upload, daemon=True)
        uploader.start()
        server.wait_requests(1)
        sent = wait_stable(lambda: progress[0], "the client's sending")
        assert (
            sent < 32 * MIB
        ), f"{sent} bytes were taken from the client for an origin that reads nothing"
        assert hark.rss() - before < MEMORY_ALLOWED // 2
        go_on.set()
        assert peer.response(seconds=60).status == 200
        assert hashlib.sha256(server.requests[0].body).hexdigest() == hash_of(mib)
        uploader.join()

    def test_others_flow_while_one_is_stalled(self, daemon, origin, client):
        def handle(conn):
            while request := conn.read_request():
                if request.target == "/x":
                    conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (1024 * MIB))
                    send_body(conn.send, 1024, "length")
                conn.send(OK)

        hark, server = daemon(settings=["workers=1"]), origin(handle)
        stalled = client(hark, receive_buffer=65536).send(fill(GET, server))
        stalled.reader.head()
        wait_stable(lambda: server.connections[0].sent, "the origin's sending", 0.2)
        for number in range(20):
            assert client(hark).ask(fill(GET.replace(b"/x", b"/%d" % number), server)).body == b"ok"


class TestTrailers:
    def test_response_trailers_reach_client_and_row(self, hark, origin, client):
        server = origin(
            b"HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"5\r\nhello\r\n0\r\nX-Sum: abc\r\nx-Two: 2\r\n\r\n"
        )
        peer = client(hark)
        response = peer.ask(
            fill(GET.replace(b"\r\n\r\n", b"\r\nTE: trailers\r\nConnection: TE\r\n\r\n"), server)
        )
        assert (response.status, response.body) == (200, b"hello")
        assert "x-sum" not in response.head.names()
        row = hark.row_of(peer)
        assert fields_of(row, "response_trailers") == [("X-Sum", "abc"), ("x-Two", "2")]
        assert "X-Sum" not in [name for name, _ in fields_of(row, "response_headers")]
        assert response.trailers == [("X-Sum", "abc"), ("x-Two", "2")]

    def test_request_trailers_reach_the_row(self, hark, origin, client):
        server = origin()
        peer = client(hark)
        response = peer.ask(
            fill(POST, server) + b"Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"5\r\nhello\r\n0\r\nX-Sum: abc\r\nx-Two: 2\r\n\r\n"
        )
        assert response.status == 200
        assert server.requests[0].body == b"hello"
        assert server.requests[0].all("x-sum") == []
        row = hark.row_of(peer)
        assert fields_of(row, "request_trailers") == [("X-Sum", "abc"), ("x-Two", "2")]
        assert "X-Sum" not in [name for name, _ in fields_of(row, "request_headers")]


class TestEarlyAnswers:
    @pytest.mark.parametrize("framing", ["length", "chunked"])
    def test_answer_before_the_upload_ends(self, hark, origin, client, framing):
        """The origin says 413 and closes after a part of the body; the client learns of it."""

        def handle(conn):
            conn.read_head()
            conn.reader.until(b"hello")
            conn.send(b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno")

        server = origin(handle)
        peer = client(hark)
        start = {
            "length": b"Content-Length: 100000000\r\n\r\nhello",
            "chunked": b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        }[framing]
        response = peer.ask(fill(POST, server) + start)
        assert (response.status, response.body) == (413, b"no")
        row = hark.row_of(peer)
        assert (row["status"], row["method"]) == (413, "POST")

    def test_full_duplex_echo_larger_than_all_buffers(self, daemon, origin, client):
        mib = 32

        def handle(conn):
            conn.reader.keep = False
            request = conn.read_head()
            conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (mib * MIB))
            conn.read_body(request, conn.send)

        hark, server = daemon(), origin(handle)
        peer = client(hark, seconds=60)
        peer.reader.keep = False

        def upload():
            peer.send(fill(POST, server) + framing_field(mib, "length"))
            send_body(peer.send, mib, "length")

        uploader = threading.Thread(target=upload, daemon=True)
        uploader.start()
        digest = hashlib.sha256()
        response = peer.response(sink=digest.update, seconds=60)
        uploader.join()
        assert response.complete
        assert digest.hexdigest() == hash_of(mib)
        row = hark.wait_row("1", seconds=30)
        assert (row["request_size"], row["response_size"]) == (mib * MIB, mib * MIB)
        assert row["state"] == "done"

    def test_full_duplex_dialogue(self, hark, origin, client):
        """Each side waits for the other's chunk before it sends its next: nothing may be held back."""
        rounds = 20

        def handle(conn):
            conn.read_head()
            conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for number in range(rounds):
                conn.reader.until(b"ping %02d\r\n" % number)
                conn.send(b"7\r\npong %02d\r\n" % number)
            conn.reader.until(b"0\r\n\r\n")
            conn.send(b"0\r\n\r\n")

        server = origin(handle)
        peer = client(hark)
        peer.send(fill(POST, server) + b"Transfer-Encoding: chunked\r\n\r\n")
        for number in range(rounds):
            peer.send(b"7\r\nping %02d\r\n" % number)
            if number == 0:
                assert peer.reader.head().start_line.startswith("HTTP/1.1 200")
            peer.reader.until(b"pong %02d\r\n" % number)
        peer.send(b"0\r\n\r\n")
        peer.reader.until(b"0\r\n\r\n")
        row = hark.row_of(peer)
        assert row["state"] == "done"
        assert hark.body(row["id"], "request") == b"".join(b"ping %02d" % n for n in range(rounds))
        assert hark.body(row["id"], "response") == b"".join(b"pong %02d" % n for n in range(rounds))


def test_pipelining_of_fifty_requests(hark, origin, client):
    def handle(conn):
        while request := conn.read_request():
            body = request.target.encode() + request.body
            conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    server = origin(handle)
    peer = client(hark)
    asked = []
    for number in range(50):
        with_body = b"Content-Length: 3\r\n\r\n%03d" % number if number % 3 == 0 else b"\r\n"
        asked.append(
            fill(b"POST {url}/%d HTTP/1.1\r\nHost: {host}\r\n" % number + with_body, server)
        )
    peer.send(b"".join(asked))
    answers = [peer.response().body for _ in range(50)]
    assert answers == [b"/%d" % n + (b"%03d" % n if n % 3 == 0 else b"") for n in range(50)]
    rows = hark.rows_of(peer, count=50)
    assert [row["path"] for row in rows] == [f"/{n}" for n in range(50)]


class Events:
    """An origin of server-sent events that sends each one when the test says so."""

    def __init__(self):
        self.go = threading.Semaphore(0)

    def __call__(self, conn):
        conn.read_request()
        conn.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        number = 0
        while not conn.origin.is_stopping:
            if self.go.acquire(timeout=0.1):
                event = self.event(number)
                number += 1
                if not conn.send(b"%x\r\n%s\r\n" % (len(event), event)):
                    return

    @staticmethod
    def event(number):
        return b'data: {"token": %d}\n\n' % number


class TestServerSentEvents:
    def open(self, hark, origin, client):
        events = Events()
        server = origin(events)
        peer = client(hark).send(fill(GET, server))
        assert peer.reader.head().get("content-type") == "text/event-stream"
        return events, peer

    def read_event(self, events, peer, number):
        events.go.release()
        event = Events.event(number)
        peer.reader.until(event, seconds=5)

    def test_each_event_comes_as_it_is_sent_and_is_in_the_file(self, hark, origin, client):
        events, peer = self.open(hark, origin, client)
        where = "client_addr LIKE ? || '%' AND state = 'pending'"
        for number in range(10):
            self.read_event(events, peer, number)
            expected = b"".join(Events.event(n) for n in range(number + 1))

            def is_recorded():
                rows = hark.sql(f"SELECT id, status FROM exchange WHERE {where}", peer.address)
                return (
                    rows
                    and rows[0]["status"] == 200
                    and hark.body(rows[0]["id"], "response") == expected
                )

            wait_until(is_recorded, f"event {number} in the file while the stream is open")
        peer.close()
        row = hark.row_of(peer)
        assert row["state"] == "client-abort"
        segments = hark.segments(row["id"], "response")
        assert len(segments) == 10, "each event keeps a segment, and so a time, of its own"
        times = [segment["at_us"] for segment in segments]
        assert times == sorted(times)

    def test_events_are_there_after_kill_9(self, daemon, origin, client):
        hark = daemon()
        events, peer = self.open(hark, origin, client)
        for number in range(3):
            self.read_event(events, peer, number)
        expected = b"".join(Events.event(n) for n in range(3))
        wait_until(lambda: hark.body(1, "response") == expected, "three events in the file")
        hark.kill()
        hark.start()
        row = hark.wait_row("1")
        assert row["state"] == "interrupted"
        assert row["status"] == 200
        assert hark.body(row["id"], "response") == expected


def test_nginx_serves_through_hark(hark, nginx, client):
    """An origin that was not written for this test: sendfile, ranges, gzip, keep-alive."""
    big = os.urandom(5 * MIB)
    text = b"some text that can be packed\n" * 1000
    nginx.put("big.bin", big)
    nginx.put("text.txt", text)
    peer = client(hark)

    def get(path, *fields, method="GET"):
        lines = [f"{method} {nginx.url}{path} HTTP/1.1", f"Host: {nginx.host}", *fields, "", ""]
        return peer.ask("\r\n".join(lines).encode(), method=method)

    assert get("/json").body == b'{"name": "hark"}'
    assert get("/big.bin").body == big
    part = get("/big.bin", "Range: bytes=100-199")
    assert (part.status, part.body) == (206, big[100:200])
    head = get("/big.bin", method="HEAD")
    assert head.get("content-length") == str(len(big)) and head.body == b""
    assert get("/no-content").status == 204
    assert get("/moved").status == 302
    zipped = get("/zipped/text.txt", "Accept-Encoding: gzip")
    assert zipped.get("content-encoding") == "gzip" and len(zipped.body) < len(text)
    unchanged = get("/big.bin", f"If-None-Match: {head.get('etag')}")
    assert (unchanged.status, unchanged.body) == (304, b"")
    assert get("/missing").status == 404
    rows = hark.rows_of(peer, count=9)
    assert [row["status"] for row in rows] == [200, 200, 206, 200, 204, 302, 200, 304, 404]
    assert hark.body(rows[6]["id"], "response") == zipped.body
    assert all(row["state"] == "done" for row in rows)
