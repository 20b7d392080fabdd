# SPDX-License-Identifier: MIT
"""All kinds of traffic at once: each request has one row, and the row says how it ended."""

import random
import threading

import pytest
from harness import RawClient, RawOrigin, wait_until
from harness.message import Aborted

CLIENTS = 8


class Origin(RawOrigin):
    """Answers as the path says: /KIND/… ; bodies are echoed."""

    def __init__(self):
        super().__init__(self.handle)

    def handle(self, conn):
        while request := conn.read_request():
            if not request.complete:
                return
            kind = request.target.split("/")[1]
            if not getattr(self, f"answer_{kind}")(conn, request):
                return

    def answer_length(self, conn, request):
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(request.body)
        return conn.send(head + (b"" if request.method == "HEAD" else request.body))

    def answer_chunked(self, conn, request):
        conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for start in range(0, len(request.body), 10_000):
            part = request.body[start : start + 10_000]
            conn.send(b"%x\r\n%s\r\n" % (len(part), part))
        return conn.send(b"0\r\n\r\n")

    def answer_close(self, conn, request):
        conn.send(b"HTTP/1.1 200 OK\r\n\r\n" + request.body)
        return False

    def answer_reset(self, conn, request):
        conn.reset()
        return False

    def answer_short(self, conn, request):
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + request.body)
        return False

    def answer_endless(self, conn, request):
        conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while conn.send(b"5\r\nhello\r\n" * 1000):
            pass
        return False


class Caller:
    """One client's part of the traffic. `expected` maps each path to the states its row may have."""

    def __init__(self, hark, server, number, rounds):
        self.hark, self.server = hark, server
        self.number, self.rounds = number, rounds
        self.random = random.Random(number)
        self.expected = {}
        self.failure = None
        self.peer = None

    def run(self):
        kinds = [
            self.echo,
            self.echo,
            self.echo,
            self.pipeline,
            self.head,
            self.reset,
            self.short,
            self.die_in_request,
            self.die_in_response,
        ]
        try:
            for turn in range(self.rounds):
                self.random.choice(kinds)(turn)
        except Exception as failure:
            self.failure = failure
        finally:
            self.leave()

    def connect(self):
        if self.peer is None:
            self.peer = RawClient(self.hark.proxy_port, seconds=20)
        return self.peer

    def leave(self, how="close"):
        if self.peer is not None:
            getattr(self.peer, how)()
        self.peer = None

    def request(self, path, states, body=b"", method="POST", framing="length"):
        self.expected[path] = states
        head = f"{method} {self.server.url}{path} HTTP/1.1\r\nHost: {self.server.host}\r\n".encode()
        if framing == "chunked":
            part = max(1, len(body) // 3)
            chunks = [body[i : i + part] for i in range(0, len(body), part)]
            coded = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks) + b"0\r\n\r\n"
            return head + b"Transfer-Encoding: chunked\r\n\r\n" + coded
        return head + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)

    def body(self):
        return self.random.randbytes(self.random.choice([0, 1, 100, 5_000, 70_000, 300_000]))

    def done(self, response):
        if response.closes or not response.complete or response.framing == "close":
            self.leave()

    def echo(self, turn):
        kind = self.random.choice(["length", "chunked", "close"])
        framing = self.random.choice(["length", "chunked"])
        body = self.body()
        path = f"/{kind}/{self.number}/{turn}"
        response = self.connect().ask(self.request(path, ["done"], body, framing=framing))
        assert (response.status, response.complete) == (200, True), response.head
        assert response.body == body
        self.done(response)

    def pipeline(self, turn):
        bodies = [self.random.randbytes(n) for n in (10, 2_000, 0, 50)]
        raw = b"".join(
            self.request(f"/length/{self.number}/{turn}-{n}", ["done"], body)
            for n, body in enumerate(bodies)
        )
        peer = self.connect().send(raw)
        responses = [peer.response() for _ in bodies]
        assert [response.body for response in responses] == bodies
        self.done(responses[-1])

    def head(self, turn):
        raw = self.request(f"/length/{self.number}/{turn}", ["done"], method="HEAD")
        response = self.connect().ask(raw, method="HEAD")
        assert response.status == 200
        self.done(response)

    def reset(self, turn):
        response = self.connect().ask(
            self.request(f"/reset/{self.number}/{turn}", ["upstream-error"])
        )
        assert response.status == 502
        self.done(response)

    def short(self, turn):
        raw = self.request(f"/short/{self.number}/{turn}", ["truncated"], b"hello")
        response = self.connect().ask(raw)
        assert response.status == 502 or not response.complete
        self.done(response)

    def die_in_request(self, turn):
        raw = self.request(f"/length/{self.number}/{turn}", ["client-abort"], b"x" * 100_000)
        self.connect().send(raw[:-50_000])
        self.leave(self.random.choice(["close", "reset"]))

    def die_in_response(self, turn):
        raw = self.request(f"/endless/{self.number}/{turn}", ["client-abort"])
        peer = self.connect().send(raw)
        try:
            peer.reader.head()
            peer.reader.until(b"hello")
        except Aborted:
            pass
        self.leave(self.random.choice(["close", "reset"]))


@pytest.mark.parametrize("rounds", [40, pytest.param(1000, marks=pytest.mark.soak)])
@pytest.mark.parametrize("setting", ["durability=relaxed", "durability=commit", "workers=1"])
def test_each_request_has_the_row_it_should_have(daemon, rounds, setting):
    hark = daemon(settings=[setting])
    with Origin() as server:
        callers = [Caller(hark, server, number, rounds) for number in range(CLIENTS)]
        threads = [threading.Thread(target=caller.run, daemon=True) for caller in callers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        failures = [caller.failure for caller in callers if caller.failure]
        if failures:
            raise failures[0]
        expected = {path: states for caller in callers for path, states in caller.expected.items()}

        def wrong_rows():
            rows = hark.sql("SELECT path, state, method, error_text FROM exchange")
            seen = {}
            for row in rows:
                seen.setdefault(row["path"], []).append(row["state"])
            # a client that was gone before its head was read may have left nothing
            missing = [
                path
                for path, states in expected.items()
                if path not in seen and states != ["client-abort"]
            ]
            wrong = [
                (path, states)
                for path, states in seen.items()
                if len(states) != 1 or states[0] not in expected[path]
            ]
            return missing + wrong

        try:
            wait_until(lambda: not wrong_rows(), "each row to be right", seconds=10)
        except AssertionError:
            raise AssertionError(f"missing or wrong: {wrong_rows()[:20]}") from None
        assert hark.value("PRAGMA integrity_check") == "ok"
        wait_until(lambda: hark.descriptors() < 100, "descriptors to be given back")
