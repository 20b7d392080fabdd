# SPDX-License-Identifier: MIT
"""A run of hark replay: which requests, in what order, how many at once, and how it ends."""

import json
import os
import pty
import signal
import sqlite3
import subprocess
import threading

import pytest
from harness import SCALE, wait_until
from harness.daemon import HARK, clean_environment
from harness.origin import OK
from harness.replaying import record, replay, request, with_length


class TestWhich:
    @pytest.fixture
    def five(self, daemon, origin, client):
        """A stopped daemon that has recorded GET /0, POST /1, GET /2, POST /3, GET /4."""
        server = origin(OK)
        hark = daemon()
        raws = [
            request(f"{server.url}/{i}") if i % 2 == 0 else with_length(f"{server.url}/{i}", b"x")
            for i in range(5)
        ]
        hark.ids = record(hark, client, *raws)
        hark.stop()
        hark.server = server
        del server.requests[:]
        return hark

    def paths(self, five):
        return [one.target for one in five.server.requests]

    def test_ids_in_the_order_given(self, five):
        results = replay(five, five.ids[4], five.ids[0], "@-2")
        assert self.paths(five) == ["/4", "/0", "/3"]
        assert [one["replay_of"] for one in results] == [five.ids[4], five.ids[0], five.ids[3]]

    def test_range_and_filter_keep_the_recorded_order(self, five):
        replay(five, f"{five.ids[1]}..{five.ids[3]}", "--yes")
        assert self.paths(five) == ["/1", "/2", "/3"]
        replay(five, "method:GET", "not", "path:/2")
        assert self.paths(five)[3:] == ["/0", "/4"]

    def test_repeat_sends_all_of_it_again(self, five):
        replay(five, "path:/0", "--repeat", 3)
        assert self.paths(five) == ["/0", "/0", "/0"]

    def test_a_filter_never_meets_its_own_results(self, five):
        assert len(replay(five, "method:GET", "--repeat", 2)) == 6

    def test_unsafe_requests_of_a_filter_want_yes(self, five):
        done = five.cli("replay", "host:127.0.0.1")
        assert done.returncode == 2 and "2 of the 5 requests" in done.stderr
        assert "--yes" in done.stderr and not five.server.requests
        assert len(replay(five, "host:127.0.0.1", "--yes")) == 5

    @pytest.mark.parametrize("said,status,sent", [(b"y\n", 0, 5), (b"n\n", 1, 0), (b"\n", 1, 0)])
    def test_on_a_terminal_it_asks(self, said, status, sent, five):
        master, slave = pty.openpty()
        os.write(master, said)
        command = [HARK, "replay", "--json", "--data-dir", five.data_dir, "host:127.0.0.1"]
        done = subprocess.run(
            list(map(str, command)), env=clean_environment(five.home), stdin=slave, stderr=slave,
            stdout=subprocess.PIPE, timeout=20 * SCALE, check=False,
        )
        asked = os.read(master, 65536)
        os.close(slave)
        os.close(master)
        assert b"2 of the 5 requests" in asked and b"Send them? [y/N]" in asked
        assert (done.returncode, done.stdout.count(b"\n")) == (status, sent), asked
        assert len(five.server.requests) == sent

    def test_one_unsafe_request_is_sent(self, five):
        replay(five, "path:/1")
        replay(five, five.ids[1], five.ids[3])
        assert self.paths(five) == ["/1", "/1", "/3"]

    def test_nothing_matched(self, five):
        assert five.cli("replay", "path:/nowhere").returncode == 3
        assert five.cli("replay", "99").returncode == 3
        assert five.cli("replay", "@-99").returncode == 3
        assert five.cli("replay", "90..99").returncode == 3

    def test_one_of_several_is_missing(self, five):
        results = replay(five, five.ids[0], 99, status=1)
        assert {one["replay_of"]: one["state"] for one in results} == {
            five.ids[0]: "done", 99: "missing"
        }

    @pytest.mark.parametrize("words", [(), ("1", "host:x"), ("hots:x",), ("",), (" ", "")], ids=repr)
    def test_wrong_words(self, words, five):
        assert five.cli("replay", *words).returncode == 2
        assert not five.server.requests

    def test_rows_for_programs_and_a_summary_for_people(self, five):
        done = five.cli("replay", "method:GET")
        rows = [line.split("\t") for line in done.stdout.splitlines()]
        assert [row[2:5:2] for row in rows] == [["GET", "200"]] * 3 and len(rows[0]) == 10
        assert "sent 3 requests" in done.stderr and "200 × 3" in done.stderr
        assert "p50" not in done.stderr, "of so few it would be a single one of them"

    def test_many_have_percentiles(self, five):
        done = five.cli("replay", "method:GET", "--repeat", "4")
        assert "sent 12 requests" in done.stderr
        assert "p50" in done.stderr and "p99" in done.stderr

    def test_a_range_that_ends_before_it_begins(self, five):
        done = five.cli("replay", "3..1")
        assert done.returncode == 2 and "the range 3..1 ends before it begins" in done.stderr
        assert not five.server.requests


def since_session(hark, result):
    """Microseconds from the start of the run's session to that of the exchange."""
    return hark.value(
        "SELECT exchange.started_us - session.started_us FROM exchange"
        " JOIN session ON session.id = session_id WHERE exchange.id = ?",
        result["id"],
    )


class TestMany:
    def test_a_row_comes_with_its_result(self, daemon, origin, client):
        gate, is_read, in_time = threading.Event(), threading.Event(), []

        def handle(conn):
            while one := conn.read_request():
                if one.target == "/1" and gate.is_set():
                    in_time.append(is_read.wait(10 * SCALE))
                conn.send(OK)

        server = origin(handle)
        hark = daemon()
        self.record_gets(hark, client, server, 2)
        gate.set()
        command = [HARK, "replay", "--data-dir", hark.data_dir, "--concurrency", 1, "1..2"]
        with subprocess.Popen(
            list(map(str, command)), env=clean_environment(hark.home), stdout=subprocess.PIPE, text=True
        ) as run:
            assert any("/0" in line for line in run.stdout)
            is_read.set()
            assert "/1" in run.stdout.read()
        assert run.returncode == 0 and in_time == [True]

    def record_gets(self, hark, client, server, count):
        peer = client(hark)
        for i in range(count):
            assert peer.ask(request(f"{server.url}/{i}")).status == 200
        hark.rows_of(peer, count=count, seconds=20)

    def test_concurrency(self, daemon, origin, client, ready):
        server = origin(OK)
        hark = daemon()
        self.record_gets(hark, client, server, 1000)
        ready(hark)
        before = len(server.connections)
        results = replay(hark, "method:GET", "--concurrency", 64, seconds=60)
        assert len(results) == 1000 and {one["status"] for one in results} == {200}
        assert sorted(one["replay_of"] for one in results) == sorted(
            row["id"] for row in hark.sql("SELECT id FROM exchange WHERE source = 'proxy'")
        )
        assert hark.value("SELECT count(DISTINCT replay_of) FROM exchange") == 1000
        # Idle ones of either worker beside those in use; but nothing like one a request.
        assert 1 < len(server.connections) - before < 500
        assert len(server.requests) == 2000

    def test_so_many_at_once_and_no_more(self, daemon, origin, client):
        at_once, most = set(), []
        gate = threading.Event()

        def handle(conn):
            while one := conn.read_request():
                if gate.is_set():
                    at_once.add(one.target)
                    most.append(len(at_once))
                    if len(at_once) == 4:
                        full.set()
                    full.wait(10 * SCALE)
                    at_once.discard(one.target)
                conn.send(OK)

        full = threading.Event()
        server = origin(handle)
        hark = daemon()
        self.record_gets(hark, client, server, 12)
        gate.set()
        replay(hark, "method:GET", "--concurrency", 4)
        assert max(most) == 4

    def test_two_at_once(self, daemon, origin, client):
        server = origin(OK)
        hark = daemon()
        self.record_gets(hark, client, server, 50)
        runs = [
            threading.Thread(target=replay, args=(hark, "1..50", "--repeat", 4)) for _ in range(2)
        ]
        for run in runs:
            run.start()
        for run in runs:
            run.join()
        assert hark.value("SELECT count(*) FROM exchange WHERE source = 'replay'") == 400
        assert hark.value("SELECT count(DISTINCT session_id) FROM exchange") == 3

    def test_recorded_pace(self, daemon, origin, client):
        server = origin(OK)
        hark = daemon()
        first, second = record(
            hark, client, request(server.url + "/1"), request(server.url + "/2")
        )
        hark.stop()
        with sqlite3.connect(hark.db) as database:
            database.execute("UPDATE exchange SET started_us = started_us + 600000 WHERE id = ?",
                             (second,))
        before, after = (hark.sql("SELECT started_us FROM exchange WHERE id = ?", i)[0][0]
                         for i in (first, second))
        results = replay(hark, f"{first}..{second}", "--pace", "recorded", "--speed", "2x")
        assert since_session(hark, results[1]) >= (after - before) / 2

    def test_rate(self, daemon, origin, client):
        server = origin(OK)
        hark = daemon()
        [old] = record(hark, client, request(server.url + "/1"))
        results = replay(hark, old, "--repeat", 11, "--rate", "50/s")
        # What it is late with it may catch up on, a little.
        assert max(since_session(hark, one) for one in results) >= 10 / 50 * 1e6 - 60000


def start_replay(hark, *words, stdout=subprocess.PIPE):
    command = [HARK, "replay", "--json", "--data-dir", hark.data_dir, *words]
    return subprocess.Popen(
        list(map(str, command)), env=clean_environment(hark.home), stdout=stdout,
        stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
    )


def gated(origin):
    """An origin that answers the first request, and the others once the gate is open."""
    gate = threading.Event()

    def handle(conn):
        while conn.read_request():
            if len(server.requests) > 1:
                gate.wait(10 * SCALE)
            conn.send(OK)

    server = origin(handle)
    return server, gate


class TestInterrupt:
    def test_what_was_done_is_kept_and_told(self, daemon, origin, client, ready, tmp_path):
        server = origin(OK)
        hark = daemon()
        [old] = record(hark, client, request(server.url + "/1"))
        ready(hark)
        with open(tmp_path / "out", "wb") as out:
            running = start_replay(hark, old, "--repeat", 1000000, stdout=out)
        server.wait_requests(20)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=20 * SCALE)
        assert running.returncode == 1, said
        assert b"interrupted; sent " in said
        wait_until(
            lambda: not hark.value("SELECT count(*) FROM exchange WHERE state = 'pending'"),
            "the last rows",
        )
        told = (tmp_path / "out").read_text().count("\n")
        rows = hark.value("SELECT count(*) FROM exchange WHERE source = 'replay'")
        assert 0 < told <= rows <= len(server.requests) - 1

    def test_an_origin_that_never_answers_is_not_waited_for(self, daemon, origin, client):
        def handle(conn):
            while conn.read_request():
                if len(server.requests) == 1:
                    conn.send(OK)

        server = origin(handle)
        hark = daemon()
        [old] = record(hark, client, request(server.url + "/1"))
        hark.stop()
        running = start_replay(hark, old)
        server.wait_requests(2)
        running.send_signal(signal.SIGINT)
        out, said = running.communicate(timeout=30 * SCALE)
        assert running.returncode == 1, said
        [result] = map(json.loads, out.splitlines())
        assert result["state"] == "interrupted"
        assert hark.wait_row("id = ?", result["id"])["state"] == "interrupted"

    def test_what_is_going_on_is_waited_for(self, daemon, origin, client, ready):
        server, gate = gated(origin)
        hark = daemon()
        [old] = record(hark, client, request(server.url + "/1"))
        ready(hark)
        # So many that it cannot end before a daemon has been told of the signal.
        running = start_replay(hark, old, "--repeat", 1000000)
        server.wait_requests(2)
        running.send_signal(signal.SIGINT)
        # The signal is seen when it is no longer waiting to be.
        wait_until(lambda: not signal_waits(running.pid, signal.SIGINT), "the signal to be taken")
        gate.set()
        out, said = running.communicate(timeout=20 * SCALE)
        assert running.returncode == 1 and b"interrupted; sent " in said, said
        results = [json.loads(line) for line in out.splitlines()]
        assert [one["status"] for one in results] == [200] * (len(server.requests) - 1)

    def test_a_run_that_ended_before_the_daemon_was_told_has_all_its_results(
        self, daemon, origin, client
    ):
        server, gate = gated(origin)
        hark = daemon()
        [old] = record(hark, client, request(server.url + "/1"))
        running = start_replay(hark, old, "--repeat", 200)
        server.wait_requests(2)
        running.send_signal(signal.SIGSTOP)
        gate.set()
        wait_until(
            lambda: hark.value("SELECT state FROM session ORDER BY id DESC") == "ended",
            "the daemon to be done",
            seconds=20,
        )
        running.send_signal(signal.SIGINT)
        running.send_signal(signal.SIGCONT)
        out, said = running.communicate(timeout=20 * SCALE)
        assert running.returncode == 0 and b"sent 200 requests" in said, said
        assert len(out.splitlines()) == 200


def signal_waits(pid, number):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        pending = [line.split()[1] for line in status if line.startswith(("SigPnd", "ShdPnd"))]
    return any(int(mask, 16) >> (number - 1) & 1 for mask in pending)
