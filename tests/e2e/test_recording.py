# SPDX-License-Identifier: MIT
"""The recording: what is in the file, and that it outlives crashes and busy readers."""

import json
import os
import sqlite3
import stat
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from harness import RawClient, wait_until
from harness.conformance import fill
from harness.daemon import fields_of
from harness.load import Load
from harness.origin import OK, reply_and_close
from harness.wait import SCALE

GET = b"GET {url}/x HTTP/1.1\r\nHost: {host}\r\n\r\n"
ROUNDS = [
    pytest.param(10, id="10-times"),
    pytest.param(100, id="100-times", marks=pytest.mark.soak),
]


def mode_of(path):
    return stat.S_IMODE(os.stat(path).st_mode)


class TestCrash:
    @pytest.mark.parametrize("rounds", ROUNDS)
    def test_kill_9_under_load_loses_no_answered_request(self, daemon, origin, rounds):
        hark, server, slowest = daemon(settings=["durability=commit"]), origin(), 0
        for number in range(rounds):
            load = Load(hark.proxy_port, server.url, prefix=f"{number}-")
            wait_until(
                lambda: len(load.answered) > 20 * (number % 7) + 10 or load.broken, "some load"
            )
            hark.kill()
            load.stop()
            assert hark.value("PRAGMA integrity_check") == "ok"
            rows = hark.sql(
                "SELECT path FROM exchange WHERE status = 200 AND state = 'done' AND path LIKE ?",
                f"/{number}-%",
            )
            lost = set(load.answered) - {row["path"] for row in rows}
            assert (
                not lost
            ), f"round {number}: {len(lost)} of {len(load.answered)} answered requests"
            began = time.monotonic()
            hark.start()
            slowest = max(slowest, time.monotonic() - began)
            assert hark.value("SELECT count(*) FROM exchange WHERE state = 'pending'") == 0
        assert hark.value("SELECT count(*) FROM session") == rounds + 1
        assert rounds < 100 or slowest < 2 * SCALE

    def test_kill_9_with_relaxed_durability_leaves_a_whole_file(self, daemon, origin):
        hark, server = daemon(), origin()
        for _ in range(3):
            load = Load(hark.proxy_port, server.url, body=b"b" * 20_000)
            before = hark.value("SELECT count(*) FROM exchange")
            wait_until(
                lambda: hark.value("SELECT count(*) FROM exchange") > before + 50 or load.broken,
                "some load",
            )
            hark.kill()
            load.stop()
            assert hark.value("PRAGMA integrity_check") == "ok"
            hark.start()
            assert hark.value("SELECT count(*) FROM exchange WHERE state = 'pending'") == 0
            whole = hark.sql(
                "SELECT id, request_size, (SELECT sum(length(data)) FROM body WHERE exchange_id = exchange.id"
                " AND side = 'request') AS kept FROM exchange WHERE state = 'done'"
            )
            assert whole and all(row["request_size"] == row["kept"] == 20_000 for row in whole)

    def test_ids_increase_over_restarts_and_crashes(self, daemon, origin, client):
        hark, server = daemon(), origin()
        seen = []
        for end in (hark.stop, hark.kill, hark.stop):
            peer = client(hark)
            for _ in range(3):
                peer.ask(fill(GET, server))
            seen += [row["id"] for row in hark.rows_of(peer, count=3)]
            end()
            hark.start()
        assert seen == sorted(set(seen)), seen
        states = [row["state"] for row in hark.sql("SELECT state FROM session ORDER BY id")]
        assert states == ["ended", "crashed", "ended", "running"]


class TestOtherUsersOfTheFile:
    def test_reader_with_an_open_transaction_stops_nothing(self, daemon, origin, client):
        hark, server = daemon(), origin()
        peer = client(hark)
        peer.ask(fill(GET, server))
        hark.wait_rows("1")
        reader = hark.connect()
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM exchange").fetchone()[0] == 1
        for _ in range(300):
            assert peer.ask(fill(GET, server)).status == 200
        hark.wait_rows("1", count=301)
        assert reader.execute("SELECT count(*) FROM exchange").fetchone()[0] == 1
        reader.close()

    @pytest.mark.parametrize("durability", ["relaxed", "commit"])
    def test_exclusive_lock_from_outside_loses_nothing(self, daemon, origin, durability):
        hark, server = daemon(settings=[f"durability={durability}"]), origin()
        writer = sqlite3.connect(hark.db, isolation_level=None, timeout=5)
        writer.execute("BEGIN EXCLUSIVE")
        load = Load(hark.proxy_port, server.url)
        limit = time.monotonic() + 3
        wait_until(lambda: time.monotonic() > limit, "three seconds of load against a locked file")
        assert hark.is_running()
        writer.execute("ROLLBACK")
        writer.close()
        load.stop()
        assert not load.broken, load.broken[0]
        assert set(load.statuses) == {200}, load.statuses
        hark.wait_rows("status = 200", count=len(load.answered), seconds=10)
        rows = hark.sql("SELECT path FROM exchange")
        assert set(load.answered) <= {row["path"] for row in rows}

    @pytest.mark.parametrize("durability", ["relaxed", "commit"])
    def test_time_outs_do_not_run_while_the_queue_is_full(self, daemon, origin, durability):
        settings = [f"durability={durability}", "queue_bytes=1M", "idle_timeout=1s"]
        hark = daemon(settings=settings)
        large = origin(b"HTTP/1.1 200 OK\r\nContent-Length: 400000\r\n\r\n" + bytes(400_000))
        writer = sqlite3.connect(hark.db, isolation_level=None, timeout=5)
        writer.execute("BEGIN IMMEDIATE")
        load = Load(hark.proxy_port, large.url)
        limit = time.monotonic() + 2.5
        wait_until(lambda: time.monotonic() > limit, "more than idle_timeout with a full queue")
        assert json.loads(hark.cli("status", "--json").stdout)["queue_stalls"] >= 1
        writer.execute("ROLLBACK")
        writer.close()
        load.stop()
        assert not load.broken, load.broken[0]
        assert set(load.statuses) == {200}, load.statuses

    def test_answers_stay_whole_while_the_queue_is_full(self, daemon, origin):
        """A connection to the origin that waits for room is not taken for an idle one."""
        hark = daemon(settings=["queue_bytes=1M"])
        large = origin(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + bytes(1_000_000))
        load = Load(hark.proxy_port, large.url, clients=4)
        wait_until(lambda: len(load.answered) > 100 or load.broken, "some load", seconds=30)
        load.stop()
        assert not load.broken, load.broken[0]
        assert json.loads(hark.cli("status", "--json").stdout)["queue_stalls"] > 0
        hark.wait_rows("state = 'done'", count=len(load.answered), seconds=20)

    def test_plain_sqlite_reads_while_it_runs_and_after(self, daemon, origin, client):
        hark = daemon()
        peer = client(hark)
        peer.ask(fill(GET, origin()))
        hark.row_of(peer)
        for _ in ("while it runs", "after a clean stop"):
            done = subprocess.run(
                ["sqlite3", "-readonly", str(hark.db), "SELECT status FROM traffic"],
                capture_output=True,
                text=True,
                check=False,
            )
            assert (done.returncode, done.stdout) == (0, "200\n"), done.stderr
            if hark.is_running():
                hark.stop()

    @pytest.mark.skipif(
        os.geteuid() != 0, reason="only root can become somebody without write permission"
    )
    def test_user_without_write_permission_reads_after_a_clean_stop(self, daemon, origin, client):
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            hark = daemon(data_dir=Path(folder) / "data")
            client(hark).ask(fill(GET, origin()))
            hark.wait_row("1")
            hark.stop()
            os.chmod(hark.data_dir, 0o755)
            for file in hark.data_dir.glob("hark.db*"):
                os.chmod(file, 0o644)
            done = subprocess.run(
                ["sqlite3", "-readonly", str(hark.db), "SELECT status FROM traffic"],
                user="nobody",
                capture_output=True,
                text=True,
                check=False,
            )
            assert (done.returncode, done.stdout) == (0, "200\n"), done.stderr


class TestWhatIsKept:
    def test_session_row(self, daemon):
        hark = daemon(settings=["durability=commit"])
        before = time.time()
        row = hark.sql("SELECT * FROM session")[0]
        assert row["pid"] == hark.pid
        assert "durability" in row["settings"]
        assert "serve" in row["command"]
        assert abs(row["started_us"] / 1e6 - before) < 60
        assert hark.cli("version").stdout.split()[1] == row["version"]

    def test_times_of_an_exchange(self, hark, origin, client):
        before = time.time_ns() // 1000
        peer = client(hark)
        peer.ask(fill(GET, origin()))
        row = hark.row_of(peer)
        after = time.time_ns() // 1000
        assert before <= row["started_us"] <= row["started_us"] + row["duration_us"] <= after
        phases = [row[name] for name in ("connect_us", "send_us", "wait_us", "receive_us")]
        assert all(phase is not None and phase >= 0 for phase in phases), phases
        assert sum(phases) <= row["duration_us"]

    def test_addresses_and_versions(self, hark, origin, client):
        server = origin()
        peer = client(hark)
        peer.ask(fill(GET, server))
        row = hark.row_of(peer)
        assert row["client_addr"].startswith(peer.address)
        assert row["server_addr"] == server.host
        assert (row["request_version"], row["response_version"]) == ("HTTP/1.1", "HTTP/1.1")

    def test_text_is_text_and_bytes_are_blobs(self, hark, origin, client):
        def kind_of(body):
            server = origin(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            peer = client(hark)
            peer.ask(fill(GET, server))
            exchange_id = hark.row_of(peer)["id"]
            return hark.value("SELECT typeof(data) FROM body WHERE exchange_id = ?", exchange_id)

        assert kind_of("grüße".encode()) == "text"
        assert kind_of(b"caf\xe9") == "blob"
        assert kind_of(b"a\0b") == "blob"
        assert kind_of(b"\xed\xa0\x80") == "blob"  # a surrogate is no UTF-8

    def test_header_values_that_are_no_utf8_are_marked(self, hark, origin, client):
        server = origin()
        peer = client(hark)
        peer.ask(fill(b"GET {url}/x HTTP/1.1\r\nHost: {host}\r\nX-A: caf\xe9\r\n\r\n", server))
        row = hark.row_of(peer)
        assert ("X-A", "café") in fields_of(row, "request_headers")
        assert row["headers_latin1"] == 1

    def test_long_body_is_kept_in_segments(self, hark, origin, client):
        body = os.urandom(1_000_000)
        server = origin(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        peer = client(hark)
        peer.ask(fill(GET, server))
        row = hark.row_of(peer)
        segments = hark.segments(row["id"], "response")
        assert all(len(segment["data"]) <= 256 * 1024 for segment in segments)
        assert [segment["seq"] for segment in segments] == list(range(len(segments)))
        assert hark.body(row["id"], "response") == body

    def test_views(self, hark, origin, client):
        server = origin(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nX-A: 1\r\nX-a: 2\r\n"
            b"Content-Length: 5\r\n\r\nhello"
        )
        peer = client(hark)
        peer.ask(
            fill(b"POST {url}/x?y HTTP/1.1\r\nHost: {host}\r\nContent-Length: 3\r\n\r\nabc", server)
        )
        exchange_id = hark.row_of(peer)["id"]
        row = dict(hark.sql("SELECT * FROM traffic WHERE id = ?", exchange_id)[0])
        assert list(row) == [
            "id",
            "started_at",
            "method",
            "url",
            "status",
            "ms",
            "request_size",
            "response_size",
            "type",
            "state",
            "error",
            "client",
            "source",
        ]
        assert row["url"] == f"{server.url}/x?y"
        assert (
            row["method"],
            row["status"],
            row["request_size"],
            row["response_size"],
            row["state"],
            row["error"],
            row["source"],
        ) == ("POST", 200, 3, 5, "done", None, "proxy")
        assert row["type"] == "text/plain"
        headers = hark.sql(
            "SELECT position, name, value FROM header WHERE exchange_id = ? AND side = 'response'"
            " ORDER BY position",
            exchange_id,
        )
        assert [tuple(h) for h in headers] == [
            (0, "content-type", "text/plain; charset=utf-8"),
            (1, "x-a", "1"),
            (2, "x-a", "2"),
            (3, "content-length", "5"),
        ]
        texts = hark.sql(
            "SELECT side, text FROM body_text WHERE exchange_id = ? ORDER BY side", exchange_id
        )
        assert [tuple(t) for t in texts] == [("request", "abc"), ("response", "hello")]
        stats = hark.sql("SELECT requests FROM host_stats WHERE host = '127.0.0.1'")
        assert stats[0]["requests"] >= 1


class TestSettings:
    @pytest.mark.parametrize("framing", ["length", "chunked"])
    def test_record_bodies_cuts_and_marks(self, daemon, origin, client, framing):
        body = os.urandom(5000)
        reply = {
            "length": b"Content-Length: 5000\r\n\r\n" + body,
            "chunked": b"Transfer-Encoding: chunked\r\n\r\n1388\r\n" + body + b"\r\n0\r\n\r\n",
        }[framing]
        hark, server = daemon(settings=["record_bodies=1k"]), origin(b"HTTP/1.1 200 OK\r\n" + reply)
        request = b"POST {url}/x HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5000\r\n\r\n"
        assert client(hark).ask(fill(request, server) + body).body == body
        assert server.requests[0].body == body
        row = hark.wait_row("1")
        assert row["body_truncated"] == 1
        assert (row["request_size"], row["response_size"]) == (5000, 5000)
        assert hark.body(row["id"], "request") == body[:1024]
        assert hark.body(row["id"], "response") == body[:1024]

    def test_short_bodies_are_not_marked_as_cut(self, daemon, origin, client):
        hark = daemon(settings=["record_bodies=1k"])
        client(hark).ask(fill(GET, origin()))
        assert hark.wait_row("1")["body_truncated"] == 0

    def test_mode_off_records_nothing(self, daemon, origin, client):
        hark = daemon(settings=["mode=off"])
        assert client(hark).ask(fill(GET, origin())).status == 200
        hark.stop()
        assert hark.value("SELECT count(*) FROM exchange") == 0


class TestOpening:
    def test_second_daemon_on_one_file_refuses(self, daemon):
        hark = daemon()
        other = hark.home / "elsewhere"
        done = hark.cli(
            "serve", "--listen", "127.0.0.1:0", "--ui", "off", "--data-dir", other, "--db", hark.db
        )
        assert done.returncode == 1
        assert "hark.db" in done.stderr and "writes to it" in done.stderr
        assert hark.is_running()

    def test_taken_port_is_said(self, daemon):
        hark = daemon()
        done = hark.cli(
            "serve",
            "--data-dir",
            hark.home / "other",
            "--listen",
            f"127.0.0.1:{hark.proxy_port}",
            "--ui",
            "off",
        )
        assert done.returncode == 1
        assert str(hark.proxy_port) in done.stderr

    @pytest.mark.parametrize("damage", ["garbage", "zeros", "cut", "header", "schema"])
    def test_damaged_file_is_set_aside(self, daemon, origin, client, damage):
        hark, server = daemon(), origin()
        client(hark).ask(fill(GET, server))
        hark.wait_row("1")
        hark.stop()
        for file in hark.data_dir.glob("hark.db-*"):
            file.unlink()
        good = hark.db.read_bytes()
        bad = {
            "garbage": os.urandom(50_000),
            "zeros": bytes(50_000),
            "cut": good[: len(good) // 2 + 100],
            "header": good[:16] + b"\xff" * 40 + good[56:],
            "schema": good[:100] + os.urandom(8000) + good[8100:],
        }[damage]
        hark.db.write_bytes(bad)
        hark.start()
        assert client(hark).ask(fill(GET, server)).status == 200
        assert hark.wait_row("1")["status"] == 200
        hark.stop()
        aside = [file for file in hark.data_dir.iterdir() if file.read_bytes() == bad]
        assert len(aside) == 1, sorted(file.name for file in hark.data_dir.iterdir())
        assert aside[0].name in hark.stderr
        assert "'.clone salvaged.db'" in hark.stderr
        assert mode_of(aside[0]) & 0o077 == 0

    def test_newer_file_is_refused_and_left_alone(self, daemon):
        hark = daemon()
        hark.stop()
        with sqlite3.connect(hark.db) as connection:
            connection.execute("PRAGMA user_version = 9999")
        connection.close()
        before = hark.db.read_bytes()
        done = hark.cli("serve", "--listen", "127.0.0.1:0", "--ui", "off")
        assert done.returncode == 1
        assert "newer" in done.stderr and "hark.db" in done.stderr
        assert hark.db.read_bytes() == before
        assert hark.cli("ls").returncode == 1

    def test_database_of_another_program_is_left_alone(self, daemon, tmp_path):
        foreign = tmp_path / "foreign.db"
        with sqlite3.connect(foreign) as connection:
            connection.execute("CREATE TABLE precious (a)")
            connection.execute("INSERT INTO precious VALUES (1)")
        connection.close()
        hark = daemon()
        done = hark.cli(
            "serve",
            "--data-dir",
            tmp_path / "d",
            "--db",
            foreign,
            "--listen",
            "127.0.0.1:0",
            "--ui",
            "off",
        )
        assert done.returncode == 1
        with sqlite3.connect(foreign) as connection:
            assert connection.execute("SELECT a FROM precious").fetchone() == (1,)
        connection.close()
        assert "foreign.db" in done.stderr

    def test_unwritable_place_is_said(self, daemon, tmp_path):
        hark = daemon()
        file = tmp_path / "file"
        file.write_text("")
        done = hark.cli(
            "serve", "--data-dir", file / "sub", "--listen", "127.0.0.1:0", "--ui", "off"
        )
        assert done.returncode == 1
        assert str(file) in done.stderr


@pytest.mark.parametrize("durability", ["relaxed", "commit", "full"])
def test_reason_is_the_same_with_every_durability(daemon, origin, client, durability):
    """What is held back for the commit must not turn one way of ending into another."""
    hark = daemon(settings=[f"durability={durability}"])
    short = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhello"

    def state_after(handler):
        peer = client(hark)
        peer.ask(fill(GET, origin(handler)))
        return hark.row_of(peer)["state"]

    assert state_after(reply_and_close(short)) == "truncated"
    assert state_after(lambda conn: conn.read_request() and conn.reset()) == "upstream-error"
    assert state_after(OK) == "done"
    assert state_after(reply_and_close(b"HTTP/1.1 200 OK\r\n\r\nuntil close")) == "done"


def test_durability_commit_shows_the_row_before_the_answer_ends(daemon, origin, client):
    hark, server = daemon(settings=["durability=commit"]), origin(OK)
    with RawClient(hark.proxy_port) as peer:
        for number in range(50):
            assert peer.ask(fill(GET.replace(b"/x", b"/%d" % number), server)).status == 200
            rows = hark.sql("SELECT state FROM exchange WHERE path = ?", f"/{number}")
            assert [row["state"] for row in rows] == ["done"]
