# SPDX-License-Identifier: MIT
"""keep_age and keep_bytes: what goes, what stays, and how much the recording takes meanwhile."""

import contextlib
import json
import signal
import sqlite3
import threading

import pytest
from harness import SCALE, wait_until
from harness.api import Api
from harness.conformance import fill
from harness.load import Load
from harness.origin import OK
from harness.recording import multiply
from harness.series import GET, paths, record_series

MIB = 1 << 20


def answer(size):
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"a" * size


def size_of(hark):
    """Bytes of the file and its WAL."""
    return sum(
        file.stat().st_size
        for file in (hark.db, hark.db.with_name(hark.db.name + "-wal"))
        if file.exists()
    )


def status_of(hark):
    return json.loads(hark.cli("status", "--json").stdout)


def settled(hark):
    """The status, once all that was answered is in the file."""

    def find():
        status = status_of(hark)
        return None if status["queue_bytes"] or status["exchanges_in_flight"] else status

    return wait_until(find, "the queue to be empty", seconds=30)


class Sampler:
    """The largest size that the recording has while it runs."""

    def __init__(self, hark):
        self.hark, self.largest, self.is_over = hark, 0, threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.is_over.wait(0.002):
            self.largest = max(self.largest, size_of(self.hark))

    def stop(self):
        self.is_over.set()
        self.thread.join()
        return self.largest


def load_until_written(hark, server, total, clients=4):
    """Traffic until `total` bytes of bodies have been answered; the largest size meanwhile."""
    sampler = Sampler(hark)
    size = int(server.reply_size)
    load = Load(hark.proxy_port, server.url, clients=clients)
    try:
        wait_until(
            lambda: len(load.answered) * size >= total or load.broken, "enough traffic", seconds=60
        )
    finally:
        load.stop()
    assert not load.broken, load.broken[0]
    assert set(load.statuses) == {200}
    return load, sampler.stop()


class TestKeepBytes:
    @pytest.mark.parametrize("body", [1000, 30_000, 1_000_000])
    def test_file_and_wal_stay_within_the_limit_under_load(self, daemon, origin, body):
        limit = 32 * MIB if body > 2000 else 8 * MIB
        hark = daemon(settings=[f"keep_bytes={limit}"])
        server = origin(answer(body))
        server.reply_size = body
        load, largest = load_until_written(hark, server, (2.5 if body > 2000 else 1.25) * limit)
        assert largest <= limit * 1.1, f"{largest / MIB:.1f} MiB"
        assert largest > limit * 0.6
        settled(hark)
        ids = [row["id"] for row in hark.sql("SELECT id FROM exchange ORDER BY id")]
        assert ids == list(range(ids[0], ids[0] + len(ids)))
        assert ids[0] > 1
        wait_until(
            lambda: status_of(hark)["retired_exchanges"]
            == hark.value("SELECT min(id) FROM exchange") - 1,
            "all that went to be counted",
        )
        assert status_of(hark)["lost_exchanges"] == 0
        assert hark.value("PRAGMA integrity_check") == "ok"

    def test_large_recording_shrinks_at_the_start(self, daemon, origin, client):
        hark = daemon()
        record_series(hark, origin(answer(MIB)), client, 24)
        hark.stop()
        assert size_of(hark) > 24 * MIB
        hark.settings = ["keep_bytes=8M"]
        hark.start()
        wait_until(lambda: size_of(hark) < 8 * MIB, "the file to shrink", seconds=15)
        left = paths(hark)
        assert left and left == [f"/{number}" for number in range(24 - len(left), 24)]
        assert hark.value("PRAGMA integrity_check") == "ok"

    def test_large_surplus_keeps_nobody_waiting(self, daemon, origin, client):
        """What takes long to delete goes in turns with what is recorded meanwhile."""
        hark = daemon(ui="127.0.0.1:0")
        surplus, limit_mib = (200_000, 8) if SCALE == 1 else (100_000, 4)
        record_series(hark, origin(answer(200)), client, 1)
        hark.stop()
        multiply(hark, surplus)
        assert size_of(hark) > 7.5 * limit_mib * MIB
        hark.settings = [f"keep_bytes={limit_mib}M"]
        hark.start()
        record_series(hark, origin(OK), client, 1, first=500)
        left = hark.value("SELECT count(*) FROM exchange WHERE id <= ?", surplus)
        assert surplus / 8 < left < surplus
        wait_until(lambda: size_of(hark) < limit_mib * MIB, "the file to shrink", seconds=90)
        assert paths(hark)[-1] == "/500"
        status = settled(hark)
        assert (status["lost_exchanges"], status["is_over_keep_bytes"]) == (0, False)
        assert hark.value("PRAGMA integrity_check") == "ok"

    def test_marked_ones_stay_and_it_is_said_once_that_the_limit_is_not_kept(
        self, daemon, origin, client
    ):
        hark = daemon()
        record_series(hark, origin(answer(MIB)), client, 12)
        for number in range(1, 11):
            assert hark.cli("note", number, "--mark").returncode == 0
        hark.stop()
        hark.settings = ["keep_bytes=4M"]
        hark.start()
        wait_until(lambda: status_of(hark)["is_over_keep_bytes"], "the limit to be given up")
        assert paths(hark) == [f"/{number}" for number in range(10)]
        record_series(hark, origin(OK), client, 3, first=100)
        wait_until(lambda: paths(hark) == [f"/{number}" for number in range(10)], "the new to go")
        assert len([line for line in hark.lines if "what is marked takes" in line]) == 1
        assert "NO ROOM for what is new" in hark.cli("status").stdout
        api = Api(hark, over_socket=True)
        answer_of_readyz = api.ask("/readyz")
        assert answer_of_readyz.status == 503
        assert "marked leaves no room in keep_bytes" in answer_of_readyz.text
        assert "\nhark_keep_bytes_crowded 1\n" in api.ask("/metrics").text
        for number in range(1, 8):  # the others fit, and are more than a sweep aims at
            assert hark.cli("note", number, "--unmark").returncode == 0
        wait_until(lambda: size_of(hark) < 4 * MIB, "the file to shrink", seconds=15)
        wait_until(lambda: not status_of(hark)["is_over_keep_bytes"], "the limit to be kept")
        assert hark.cli("note", 8, "--unmark").returncode == 0
        record_series(hark, origin(OK), client, 3, first=200)
        wait_until(lambda: not status_of(hark)["is_crowded"], "room for what is new")
        assert paths(hark)[-1] == "/202"
        assert api.ask("/readyz").status == 200

    def test_one_that_goes_on_is_cut_before_it_takes_the_place_of_all_others(
        self, daemon, origin, client
    ):
        hark, go_on = daemon(settings=["keep_bytes=8M"]), threading.Event()
        record_series(hark, origin(answer(100_000)), client, 20)
        piece, pieces = b"a" * MIB, 24

        def endless(conn):
            conn.read_request()
            conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (pieces * MIB + 1))
            conn.send(*[piece] * pieces)
            go_on.wait(20)
            conn.send(b"z")

        peer, sampler = client(hark), Sampler(hark)
        peer.send(fill(GET % b"/endless", origin(endless)))
        wait_until(lambda: hark.value("SELECT max(body_truncated) FROM exchange"), "it to be cut")
        row = hark.sql("SELECT * FROM exchange WHERE path = '/endless'")[0]
        assert row["state"] == "pending" and "keep_bytes has no more room" in row["error_text"]
        go_on.set()
        assert peer.response().body == piece * pieces + b"z"
        row = hark.row_of(peer)
        assert sampler.stop() <= 8.8 * MIB
        assert (row["state"], row["body_truncated"]) == ("done", 1)
        recorded = hark.body(row["id"], "response")
        assert 2 * MIB < len(recorded) < 3 * MIB and recorded == b"a" * len(recorded)
        assert f"only {len(recorded)} bytes" in row["error_text"]
        assert paths(hark) == [f"/{number}" for number in range(20)] + ["/endless"]
        assert len([line for line in hark.lines if f"only {len(recorded)} bytes" in line]) == 1
        assert status_of(hark)["cut_bodies"] == 1

    def test_upload_that_is_cut_leaves_room_for_its_answer(self, daemon, origin, client):
        hark, server = daemon(settings=["keep_bytes=8M"]), origin(answer(300_000))
        request = b"PUT {url}/x HTTP/1.1\r\nHost: {host}\r\nContent-Length: %d\r\n\r\n"
        peer = client(hark)
        body = b"b" * (9 * MIB)
        assert peer.ask(fill(request % len(body), server) + body).body == b"a" * 300_000
        assert server.requests[0].body == body
        row = hark.row_of(peer)
        assert row["body_truncated"] == 1 and len(hark.body(row["id"], "request")) < 4 * MIB
        assert hark.body(row["id"], "response") == b"a" * 300_000

    def test_what_goes_on_stays(self, daemon, origin, client):
        hark, go_on = daemon(settings=["keep_bytes=4M"]), threading.Event()

        def slow(conn):
            conn.read_request()
            conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
            go_on.wait(20)
            conn.send(b"def")

        peer = client(hark)
        peer.send(fill(GET % b"/slow", origin(slow)))
        wait_until(lambda: paths(hark) == ["/slow"], "a pending row")
        other = client(hark)
        server = origin(answer(MIB))
        for number in range(8):
            other.ask(fill(GET % f"/{number}".encode(), server))
        wait_until(lambda: status_of(hark)["retired_exchanges"] > 3, "others to go")
        assert paths(hark)[0] == "/slow"
        go_on.set()
        assert peer.response().body == b"abcdef"
        row = hark.row_of(peer)
        assert (row["state"], hark.body(row["id"], "response")) == ("done", b"abcdef")

    def test_reload_takes_another_limit(self, daemon, origin, client):
        hark = daemon(config="keep_bytes = 0\n")
        record_series(hark, origin(answer(MIB)), client, 12)
        hark.config_file.write_text("keep_bytes = 4M\n")
        hark.signal(signal.SIGHUP)
        wait_until(lambda: size_of(hark) < 4.4 * MIB, "the file to shrink", seconds=15)
        assert status_of(hark)["keep_bytes"] == 4 * MIB
        assert "4.0M; " in hark.cli("status").stdout

    def test_reader_that_stays_is_told_of_and_the_size_comes_back(self, daemon, origin, client):
        hark = daemon(settings=["keep_bytes=8M"])
        record_series(hark, origin(answer(MIB)), client, 4)
        with contextlib.closing(hark.connect()) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM exchange").fetchone()
            load = Load(hark.proxy_port, origin(answer(100_000)).url, clients=2)
            wait_until(lambda: status_of(hark)["is_over_keep_bytes"], "it to be told", seconds=20)
            hark.wait_log("cannot be kept: a program has been reading")
            load.stop()
            assert not load.broken and set(load.statuses) == {200}
        assert client(hark).ask(fill(GET % b"/x", origin(OK))).status == 200
        wait_until(lambda: size_of(hark) < 8.8 * MIB, "the size to come back", seconds=20)
        wait_until(lambda: not status_of(hark)["is_over_keep_bytes"], "the limit to be kept")


class TestKeepAge:
    def test_old_ones_go_while_it_runs_and_at_the_start(self, daemon, origin, client):
        hark = daemon(settings=["keep_age=2s"])
        record_series(hark, origin(OK), client, 3)
        wait_until(lambda: paths(hark) == [], "old ones to go", seconds=10)
        hark.stop()
        hark.settings = []
        hark.start()
        record_series(hark, origin(OK), client, 2)
        assert hark.cli("note", 4, "--mark").returncode == 0
        hark.stop()
        hark.settings = ["keep_age=1ms"]
        hark.start()
        wait_until(lambda: len(paths(hark)) == 1, "the others to go")
        assert hark.value("SELECT id FROM exchange") == 4

    # As if all so far had been with the right clock, and now it were a day ahead.
    def test_a_clock_that_is_ahead_at_a_restart_deletes_nothing(self, daemon, origin, client):
        hark = daemon(settings=["keep_age=1h"])
        record_series(hark, origin(OK), client, 3)
        offset = "json_extract(settings, '$.clock_offset_us')"
        wait_until(lambda: hark.value(f"SELECT {offset} FROM session"), "the clock to be noted")
        hark.stop()
        with contextlib.closing(sqlite3.connect(hark.db)) as connection, connection:
            connection.execute("UPDATE exchange SET started_us = started_us - 86400000000")
            connection.execute("UPDATE session SET settings ="
                               f" json_set(settings, '$.clock_offset_us', {offset} - 86400000000)")
        for _ in range(2):
            hark.start()
            hark.wait_log("the clock was set forward")
            assert len(paths(hark)) == 3
            hark.stop()

    def test_young_ones_stay(self, daemon, origin, client):
        hark = daemon(settings=["keep_age=1h"])
        record_series(hark, origin(OK), client, 3)
        hark.stop()
        with contextlib.closing(sqlite3.connect(hark.db)) as connection, connection:
            connection.execute("UPDATE exchange SET started_us = started_us - 3600000000 WHERE id = 2")
        hark.start()
        wait_until(lambda: paths(hark) == ["/0", "/2"], "the old one to go")

    def test_copies_beside_the_recording_go_with_it(self, daemon, origin, client):
        """What an upgrade has copied, and what was set aside, hold what is to be gone."""
        hark = daemon()
        copies = [hark.db.with_name(f"hark.db{end}") for end in
                  (".v2-backup", ".damaged-20260101T000000Z", ".damaged-20260101T000000Z-wal")]
        others = [hark.db.with_name(f"hark.db{end}") for end in (".v2-backup.mine", ".old", ".v-backup")]
        for file in copies + others:
            file.write_bytes(b"secret")
        record_series(hark, origin(OK), client, 1)
        hark.stop()
        assert all(file.exists() for file in copies)
        hark.settings = ["keep_age=1s"]
        hark.start()
        wait_until(lambda: not any(file.exists() for file in copies), "the copies to go", seconds=10)
        assert all(file.exists() for file in others)
        for file in copies:
            hark.wait_log(f"removed .*{file.name}, 6 bytes")
