# SPDX-License-Identifier: MIT
"""Live exchanges: everyone that listens hears of each one once, and nobody can hold up another."""

import contextlib
import os
import socket
import threading
from pathlib import Path

import pytest
from harness import SCALE, wait_stable, wait_until
from harness.api import Api, assert_problem
from harness.conformance import fill
from harness.events import Listener
from harness.load import Load

DAEMON = {"ui": "127.0.0.1:0"}
GET = b"GET {url}/%s HTTP/1.1\r\nHost: {host}\r\n\r\n"
EVENTS = "/api/v1/events"


@pytest.fixture
def listen():
    """listen(daemon, …) begins to listen; all end with the test."""
    listeners = []

    def begin(daemon, **options):
        listeners.append(Listener(Api(daemon), **options).begun())
        return listeners[-1]

    yield begin
    for one in listeners:
        one.close()


@pytest.fixture
def ask(client, origin):
    """ask(daemon, path) sends a request through it."""
    server = origin()

    def send(daemon, path=b"x"):
        client(daemon).ask(fill(GET % path, server))

    return send


def silent_listener(hark, position=None):
    """A client that asks for events and never reads."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    sock.connect(("127.0.0.1", hark.page_port))
    sock.sendall(f"GET {EVENTS} HTTP/1.1\r\nHost: 127.0.0.1:{hark.page_port}\r\n"
                 f"Authorization: Bearer {Api(hark).token}\r\n".encode())
    sock.sendall(f"Last-Event-ID: {position}\r\n\r\n".encode() if position else b"\r\n")
    return sock


def run_load(hark, server, count, clients=2):
    load = Load(hark.proxy_port, server.url, clients=clients)
    wait_until(lambda: len(load.answered) >= count, f"{count} answers", 60)
    load.stop()
    return wait_stable(lambda: hark.value("SELECT count(*) FROM exchange"), "the rows")


def test_an_event_is_a_row_of_the_list(hark, listen, ask):
    one = listen(hark)
    assert one.response.getheader("Content-Type") == "text/event-stream"
    ask(hark)
    one.wait(1)
    row = one.events[0][1]
    assert row == Api(hark).exchanges(limit=1)[0]


def test_only_what_ends_from_now_on_is_told(hark, listen, ask):
    ask(hark, b"before")
    Api(hark).wait_exchanges(1, filter="before")
    one = listen(hark)
    ask(hark, b"after")
    one.wait(1)
    assert [row["url"].rsplit("/")[-1] for _, row in one.events] == ["after"]


def test_who_reads_the_list_when_the_stream_opens_misses_nothing(daemon, origin):
    """As the page does: what is not in the list then is an event, so the events begin before."""
    hark = daemon(ui="127.0.0.1:0")
    load = Load(hark.proxy_port, origin().url, clients=2)
    listeners = []
    for number in range(20):
        # Each begins by itself, for another filter.
        listener = Listener(Api(hark), filter=f"path:/none{number}")
        listeners.append((listener, hark.value("SELECT ifnull(max(id), 0) FROM exchange")))
    load.stop()
    for listener, newest in listeners:
        begun_at = int(listener.begun().begins.split(";")[0])
        listener.close()
        assert begun_at <= newest


def test_a_filter_chooses(hark, listen, ask):
    one, all_of_them = listen(hark, filter="path:/wanted*"), listen(hark)
    for path in (b"a", b"wanted-1", b"b", b"wanted-2"):
        ask(hark, path)
    all_of_them.wait(4)
    one.wait(2)
    assert [row["url"].rsplit("/")[-1] for _, row in one.events] == ["wanted-1", "wanted-2"]


def test_pending_ones_are_told_when_asked_for(hark, listen, client, origin):
    go_on = threading.Event()

    def handle(conn):
        conn.read_request()
        go_on.wait(20 * SCALE)
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with_pending, without = listen(hark, pending=1), listen(hark)
    peer = client(hark).send(fill(GET % b"slow", origin(handle)))
    with_pending.wait(1)
    assert with_pending.events[0][1]["state"] == "pending"
    assert without.events == []
    go_on.set()
    assert peer.response().status == 200
    with_pending.wait(2)
    without.wait(1)
    assert [row["state"] for _, row in with_pending.events] == ["pending", "done"]
    assert [row["state"] for _, row in without.events] == ["done"]


def test_the_list_goes_on_where_a_stream_broke_off(daemon, listen, origin):
    """Resumed many times under load, at any event: each exchange is told once."""
    hark, server = daemon(ui="127.0.0.1:0"), origin()
    one = listen(hark)
    load = Load(hark.proxy_port, server.url, clients=1)
    told, position = [], None
    for _ in range(12 if SCALE == 1 else 5):
        one.wait(20, seconds=30)
        one.close()
        assert one.has_ended.wait(10 * SCALE)
        told += one.ids
        position = one.position
        one = listen(hark, position=position)
    load.stop()
    wait_stable(lambda: hark.value("SELECT count(*) FROM exchange"), "the rows")
    rows = {row[0] for row in hark.sql("SELECT id FROM exchange")}

    def missed():
        return sorted(rows - set(told) - set(one.ids))

    wait_until(lambda: not missed(), "all events", 30)
    assert len(told) + len(one.ids) == len(rows), "told twice"


def test_a_stream_goes_on_after_a_restart(daemon, listen, ask):
    hark = daemon(ui="127.0.0.1:0")
    one = listen(hark)
    ask(hark, b"first")
    one.wait(1)
    hark.stop()
    assert one.has_ended.wait(10 * SCALE)
    hark.start()
    ask(hark, b"second")
    Api(hark).wait_exchanges(2)
    again = listen(hark, position=one.position)
    ask(hark, b"third")
    again.wait(2)
    assert [row["url"].rsplit("/")[-1] for _, row in again.events] == ["second", "third"]


@pytest.mark.parametrize("position", ["x", "1", "5;6", "1;1,"])
def test_what_is_no_position_is_refused(hark, position):
    answer = Api(hark).ask(EVENTS, headers={"Last-Event-ID": position})
    assert position in assert_problem(answer, 400)["detail"]


def test_mistakes_are_refused(hark):
    assert assert_problem(Api(hark).ask(EVENTS, filter="stats:5"), 400)["suggestion"] == "status:"
    assert_problem(Api(hark).ask(EVENTS, pending="perhaps"), 400)
    assert_problem(Api(hark).ask(EVENTS, "POST"), 405)


def test_a_hundred_hear_all_while_one_never_reads(daemon, listen, origin):
    hark, server = daemon(ui="127.0.0.1:0"), origin()
    silent = silent_listener(hark)
    listeners = [listen(hark) for _ in range(100)]
    rows = run_load(hark, server, 500)
    for one in listeners:
        one.wait(rows, seconds=60)
        assert len(one.ids) == len(set(one.ids)) == rows
    silent.close()


def sockets_of(hark):
    found = set()
    for link in Path(f"/proc/{hark.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.add(os.readlink(link))
    return {name for name in found if name.startswith("socket:")}


@pytest.mark.soak
def test_who_never_reads_is_let_go(daemon, origin):
    """Its buffers are full for twenty seconds, then the stream ends, and at last the connection."""
    hark, server = daemon(ui="127.0.0.1:0"), origin()
    run_load(hark, server, 8000)
    before = wait_stable(lambda: sockets_of(hark), "the sockets", still_for=1)
    silent = silent_listener(hark, position="0;")
    wait_until(lambda: sockets_of(hark) - before, "the connection")
    wait_until(lambda: not sockets_of(hark) - before, "the connection to be closed", 90)
    silent.close()


def test_there_is_a_limit(daemon, listen):
    hark = daemon(ui="127.0.0.1:0")
    listeners = [listen(hark) for _ in range(256)]
    answer = Api(hark).ask(EVENTS)
    assert "256" in assert_problem(answer, 503)["detail"]
    listeners.pop().close()

    def is_free():
        connection, response = Api(hark).open(EVENTS)
        connection.close()
        return response.status == 200

    wait_until(is_free, "a place to be free again")


def test_idle_streams_are_ended_when_the_daemon_ends(daemon, listen):
    hark = daemon(ui="127.0.0.1:0")
    listeners = [listen(hark) for _ in range(10)]
    hark.stop()
    assert all(one.has_ended.wait(10 * SCALE) for one in listeners)


def test_over_the_socket_too(hark, ask):
    one = Listener(Api(hark, over_socket=True)).begun()
    ask(hark)
    one.wait(1)
    one.close()
