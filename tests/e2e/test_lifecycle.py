# SPDX-License-Identifier: MIT
"""Stopping and reloading under traffic, and who is let in; test_serve.py has start and idle."""

import json
import signal
import socket
import sqlite3
import threading

import pytest
from harness import wait_until
from harness.conformance import fill
from harness.load import Load
from harness.origin import OK

GET = b"GET {url}/x HTTP/1.1\r\nHost: {host}\r\n\r\n"


class Gated:
    """An origin that sends half an answer, and the rest when the gate opens."""

    def __init__(self):
        self.gate = threading.Event()

    def __call__(self, conn):
        while conn.read_request():
            conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
            self.gate.wait(60)
            conn.send(b"world")


def is_refused(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def status(hark):
    return json.loads(hark.cli("status", "--json").stdout)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["term", "int"])
def test_signal_lets_what_is_in_flight_end(daemon, origin, client, number):
    gated = Gated()
    hark, server = daemon(), origin(gated)
    peer = client(hark).send(fill(GET, server))
    peer.reader.head()
    hark.signal(number)
    hark.wait_log("stopping")
    gated.gate.set()
    peer.reader.until(b"helloworld")
    assert hark.wait_exit() == 0
    row = hark.wait_row("1")
    assert (row["state"], row["status"], row["response_size"]) == ("done", 200, 10)
    assert hark.value("SELECT state FROM session") == "ended"


def test_new_clients_are_refused_while_the_old_ones_end(daemon, origin, client):
    """Not left waiting in a backlog that nobody takes from; and a successor could take the port."""
    gated = Gated()
    hark, server = daemon(), origin(gated)
    peer = client(hark).send(fill(GET, server))
    peer.reader.head()
    hark.signal(signal.SIGTERM)
    try:
        wait_until(lambda: is_refused(hark.proxy_port), "new connections to be refused", seconds=2)
    finally:
        gated.gate.set()
    peer.reader.until(b"helloworld")


def test_stop_does_not_wait_for_idle_connections(daemon, origin, client):
    hark, server = daemon(), origin()
    peers = [client(hark) for _ in range(5)]
    for peer in peers:
        assert peer.ask(fill(GET, server)).status == 200
    client(hark)  # one that never asks
    hark.stop(seconds=5)


def test_second_signal_ends_at_once(daemon, origin, client):
    gated = Gated()
    hark, server = daemon(), origin(gated)
    peer = client(hark).send(fill(GET, server))
    peer.reader.head()
    hark.signal(signal.SIGTERM)
    hark.wait_log("stopping")
    hark.signal(signal.SIGTERM)
    assert hark.wait_exit(seconds=5) in (0, 1, -signal.SIGTERM)
    gated.gate.set()
    hark.start()
    row = hark.wait_row("1")
    assert row["state"] in ("interrupted", "client-abort", "truncated"), dict(row)


def test_second_signal_ends_heads_that_are_not_complete(daemon, origin, client):
    hark, server = daemon(), origin()
    peer = client(hark)
    assert peer.ask(fill(GET, server)).status == 200
    peer.send(fill(GET[:-2], server))
    wait_until(lambda: status(hark)["exchanges_in_flight"] == 1, "the second head to begin")
    hark.signal(signal.SIGTERM)
    hark.wait_log("stopping")
    hark.signal(signal.SIGTERM)
    assert hark.wait_exit(seconds=5) == 0
    assert hark.rows_of(peer, count=2)[-1]["state"] == "interrupted"


def test_second_signal_ends_uploads_that_wait_for_the_disk(daemon, origin, client):
    hark = daemon(settings=["queue_bytes=1M"])
    large = origin(b"HTTP/1.1 200 OK\r\nContent-Length: 400000\r\n\r\n" + bytes(400_000))
    writer = sqlite3.connect(hark.db, isolation_level=None, timeout=5)
    writer.execute("BEGIN IMMEDIATE")
    fillers = [client(hark).send(fill(GET, large)) for _ in range(4)]
    wait_until(lambda: status(hark)["queue_stalls"] == 1, "the queue to be full")
    head = b"POST {url}/up HTTP/1.1\r\nHost: {host}\r\nContent-Length: 9\r\n\r\nabc"
    client(hark).send(fill(head, large))
    wait_until(lambda: status(hark)["exchanges_in_flight"] > 0, "the upload to begin")
    hark.signal(signal.SIGTERM)
    hark.wait_log("stopping")
    hark.signal(signal.SIGTERM)
    hark.wait_log("second signal")
    writer.execute("ROLLBACK")
    writer.close()
    assert hark.wait_exit() == 0
    assert not [line for line in hark.lines if " error " in line], hark.lines
    for peer in fillers:
        peer.close()


def test_log_after_stop_has_no_warning(daemon, origin, client):
    hark = daemon()
    client(hark).ask(fill(GET, origin()))
    hark.stop()
    bad = [line for line in hark.lines if " error" in line]
    assert not bad, bad


class TestReload:
    def start(self, daemon, first):
        hark = daemon(config=f"connect_to = service.example:80:{first.host}\n")
        return hark, b"GET http://service.example/x HTTP/1.1\r\nHost: service.example\r\n\r\n"

    def test_hup_takes_a_good_file(self, daemon, origin, client):
        first, second = origin(OK), origin(OK.replace(b"ok", b"no"))
        hark, ask = self.start(daemon, first)
        assert client(hark).ask(ask).body == b"ok"
        hark.config_file.write_text(f"connect_to = service.example:80:{second.host}\n")
        hark.signal(signal.SIGHUP)
        wait_until(lambda: client(hark).ask(ask).body == b"no", "the new setting to hold")

    @pytest.mark.parametrize(
        "line", ["nonsense = 1", "workers = many", "connect_timeout = 10 parsecs", "no equals sign"]
    )
    def test_hup_keeps_the_old_settings_when_the_file_is_bad(self, daemon, origin, client, line):
        first = origin(OK)
        hark, ask = self.start(daemon, first)
        hark.config_file.write_text(f"# changed\n{line}\n")
        hark.signal(signal.SIGHUP)
        hark.wait_log(r"hark\.conf:2: ")
        assert client(hark).ask(ask).body == b"ok"

    def test_hup_under_traffic_fails_no_request(self, daemon, origin):
        server = origin()
        hark = daemon(config="log_level = info\n")
        load = Load(hark.proxy_port, server.url)
        for number in range(20):
            seen = len(load.answered)
            hark.config_file.write_text(f"header_timeout = {number + 10}s\n")
            hark.signal(signal.SIGHUP)
            wait_until(lambda: len(load.answered) > seen + 5 or load.broken, "traffic to go on")
        load.stop()
        assert not load.broken, load.broken[0]
        assert set(load.statuses) == {200}
        hark.wait_rows("status = 200", count=len(load.answered))


def test_non_loopback_listener_needs_allow(daemon, tmp_path):
    hark = daemon()
    done = hark.cli(
        "serve", "--data-dir", tmp_path / "other", "--listen", "0.0.0.0:0", "--ui", "off"
    )
    assert done.returncode == 2
    assert "allow" in done.stderr
