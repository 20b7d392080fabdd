# SPDX-License-Identifier: MIT
"""A full disk, others who hold the file, a clock that leaps: what is kept, and what is said."""

import contextlib
import os
import re
import shutil
import sqlite3
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest
from harness import wait_until
from harness.api import Api
from harness.conformance import fill
from harness.load import Load
from harness.origin import OK
from harness.series import record_series
from harness.wait import SCALE
from test_retention import settled, status_of

GET = b"GET {url}%s HTTP/1.1\r\nHost: {host}\r\n\r\n"
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
LARGE = b"HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n" + b"a" * 20_000


def paths_of(hark, where):
    return {row["path"] for row in hark.sql(f"SELECT path FROM exchange WHERE {where}")}


class Disk:
    """A file system of its own in memory, of a size that can be changed."""

    def __init__(self, folder, size):
        self.folder = folder
        folder.mkdir()
        self.mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs")

    def mount(self, *words):
        subprocess.run(["mount", *words, str(self.folder)], check=True, capture_output=True)

    def grow(self, size):
        self.mount("-o", f"remount,size={size}")

    def use_up(self):
        """Not a byte is left."""
        with open(self.folder / "others", "wb", buffering=0) as file:
            for size in (65536, 4096, 1):
                with contextlib.suppress(OSError):
                    while file.write(bytes(size)):
                        pass

    def close(self):
        subprocess.run(["umount", "-l", str(self.folder)], check=True)


@pytest.fixture
def disk(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can mount")
    try:
        disk = Disk(tmp_path / "disk", "8m")
    except subprocess.CalledProcessError as failure:
        pytest.skip(f"cannot mount: {failure.stderr.decode().strip()}")
    yield disk
    disk.close()


def fill_disk(hark, load):
    wait_until(lambda: not status_of(hark)["is_recording"], "the disk to be full", seconds=30)
    count = sum(load.statuses.values())
    wait_until(
        lambda: sum(load.statuses.values()) > count + 100 or load.broken, "traffic to go on", seconds=20
    )


def make_room(hark, disk):
    began = time.monotonic()
    disk.grow("400m")
    wait_until(lambda: status_of(hark)["is_recording"], "the recording to go on")
    return time.monotonic() - began


class TestFullDisk:
    def start(self, daemon, disk, durability):
        return daemon(
            ui="127.0.0.1:0",
            data_dir=disk.folder / "data",
            settings=[f"durability={durability}", "queue_bytes=1M"],
        )

    @pytest.mark.parametrize("size, has_copy", [("10m", False), ("100m", True)])
    def test_upgrade_makes_a_copy_only_where_there_is_room(
        self, daemon, origin, client, disk, size, has_copy
    ):
        disk.grow(size)
        hark = self.start(daemon, disk, "relaxed")
        record_series(hark, origin(LARGE), client, 200)
        hark.stop()
        with contextlib.closing(sqlite3.connect(hark.db)) as connection, connection:
            connection.executescript(
                "DROP INDEX exchange_host; DROP INDEX exchange_notable;"
                "CREATE INDEX exchange_host ON exchange (host); PRAGMA user_version = 2"
            )
        hark.start()
        assert any("copying" in line for line in hark.lines) == has_copy
        assert any("migrated without one" in line for line in hark.lines) != has_copy
        assert hark.value("SELECT count(*) FROM exchange") == 200
        assert hark.value("PRAGMA user_version") > 2
        left = {file.name for file in hark.data_dir.iterdir() if "backup" in file.name}
        assert left == ({"hark.db.v2-backup"} if has_copy else set())

    def test_relaxed_goes_on_and_counts_what_is_lost(self, daemon, origin, disk):
        hark = self.start(daemon, disk, "relaxed")
        load = Load(hark.proxy_port, origin(LARGE).url, clients=3)
        fill_disk(hark, load)
        wait_until(lambda: status_of(hark)["lost_exchanges"] > 0, "a loss", seconds=30)
        wait_until(
            lambda: Api(hark).ask("/readyz", token=False).status == 503, "it not to be ready"
        )
        hark.wait_log("not recording: .*disk")
        make_room(hark, disk)
        wait_until(
            lambda: Api(hark).ask("/readyz", token=False).status == 200, "it to be ready again", 20
        )
        count = len(load.answered)
        wait_until(lambda: len(load.answered) > count + 50 or load.broken, "more traffic")
        load.stop()
        assert not load.broken, load.broken[0]
        assert set(load.statuses) == {200}
        lost = settled(hark)["lost_exchanges"]
        whole = paths_of(hark, "state = 'done' AND body_truncated = 0")
        assert lost > 0
        assert len(set(load.answered) - whole) == lost
        wait_until(
            lambda: hark.value("SELECT sum(lost_exchanges) FROM session") == lost,
            "the loss to be written",
        )
        assert hark.value("PRAGMA integrity_check") == "ok"

    def test_commit_refuses_what_it_cannot_keep(self, daemon, origin, disk):
        hark = self.start(daemon, disk, "commit")
        load = Load(hark.proxy_port, origin(LARGE).url, clients=3)
        fill_disk(hark, load)
        assert load.statuses[503] > 0
        make_room(hark, disk)
        count = len(load.answered)
        wait_until(lambda: len(load.answered) > count + 20 or load.broken, "more traffic")
        load.stop()
        assert set(load.statuses) == {200, 503}
        settled(hark)
        assert set(load.answered) <= paths_of(hark, "state = 'done' AND body_truncated = 0")
        assert hark.value("PRAGMA integrity_check") == "ok"

    @pytest.mark.parametrize("ending", ["clean", "crashed"])
    def test_daemon_starts_on_it_and_records_once_there_is_room(
        self, daemon, origin, client, disk, ending
    ):
        hark, server = self.start(daemon, disk, "relaxed"), origin(OK)
        assert client(hark).ask(fill(GET % b"/before", server)).status == 200
        hark.wait_rows("path = '/before'")
        hark.stop() if ending == "clean" else hark.kill()
        disk.use_up()
        hark.start()
        hark.wait_log("not recording: .*disk")
        assert not status_of(hark)["is_recording"]
        assert Api(hark).ask("/readyz", token=False).status == 503
        assert client(hark).ask(fill(GET % b"/meanwhile", server)).status == 200
        make_room(hark, disk)
        assert client(hark).ask(fill(GET % b"/after", server)).status == 200
        hark.wait_rows("path = '/after'")
        settled(hark)
        sessions = [tuple(row) for row in hark.sql("SELECT id, state FROM session ORDER BY id")]
        first = "ended" if ending == "clean" else "crashed"
        assert sessions == [(1, first), (2, "running")]
        assert hark.value("SELECT session_id FROM exchange WHERE path = '/after'") == 2
        lost = status_of(hark)["lost_exchanges"]
        assert lost == (0 if "/meanwhile" in paths_of(hark, "1") else 1)
        assert hark.value("SELECT lost_exchanges FROM session WHERE id = 2") == lost
        assert hark.value("PRAGMA integrity_check") == "ok"

    def test_commit_answers_nothing_when_started_on_it(self, daemon, origin, client, disk):
        hark = self.start(daemon, disk, "commit")
        hark.stop()
        disk.use_up()
        hark.start()
        hark.wait_log("not recording: .*disk")
        assert client(hark).ask(fill(GET % b"/x", origin(OK))).status == 503

    def test_what_hark_has_filled_can_be_pruned(self, daemon, origin, disk):
        hark = self.start(daemon, disk, "relaxed")
        load = Load(hark.proxy_port, origin(LARGE).url, clients=3)
        fill_disk(hark, load)
        load.stop()
        done = hark.cli("prune", "id:1..150")
        assert done.returncode == 0, done.stderr
        wait_until(lambda: status_of(hark)["is_recording"], "the recording to go on")
        assert hark.value("SELECT min(id) FROM exchange") > 80
        hark.stop()
        assert hark.value("PRAGMA integrity_check") == "ok"

    @pytest.mark.parametrize("words", [["id:1..80"], ["--keep-bytes", "1M"]])
    def test_what_hark_has_filled_can_be_pruned_without_a_daemon(self, daemon, origin, disk, words):
        hark = self.start(daemon, disk, "relaxed")
        load = Load(hark.proxy_port, origin(LARGE).url, clients=3)
        fill_disk(hark, load)
        load.stop()
        hark.stop()
        size = hark.db.stat().st_size
        done = hark.cli("prune", *words)
        assert done.returncode == 0, done.stderr
        assert hark.db.stat().st_size < size
        hark.start()
        wait_until(lambda: status_of(hark)["is_recording"], "the recording to go on")
        assert hark.value("PRAGMA integrity_check") == "ok"

    def test_mend_of_doctor_makes_room(self, daemon, origin, client, disk):
        disk.grow("200m")
        hark = self.start(daemon, disk, "relaxed")
        client(hark).ask(fill(GET % b"/large", origin(OK)))
        hark.wait_row("state = 'done'")
        hark.stop()
        with contextlib.closing(sqlite3.connect(hark.db)) as other:
            other.execute("INSERT INTO body VALUES (1, 'response', 9, 0, zeroblob(80000000))")
            other.commit()
        words = re.search(r"free at .*?hark (prune --keep-bytes .*?)$",
                          hark.cli("doctor").stdout.replace("\n         ", " "), re.M)[1].split()
        assert hark.cli(*words).returncode == 0
        assert hark.db.stat().st_size < 1_000_000

    @pytest.mark.soak
    def test_recording_goes_on_within_five_seconds(self, daemon, origin, disk):
        hark = self.start(daemon, disk, "relaxed")
        load = Load(hark.proxy_port, origin(LARGE).url, clients=3)
        fill_disk(hark, load)
        assert make_room(hark, disk) < 5 * SCALE
        load.stop()


class TestMovedFile:
    """The recording is removed, moved or replaced under the daemon."""

    @pytest.fixture
    def hark(self, daemon):
        return daemon(ui="127.0.0.1:0")

    @pytest.fixture
    def ask(self, hark, origin, client):
        server = origin(OK)
        return lambda path: client(hark).ask(fill(GET % path, server))

    @pytest.mark.parametrize("moved", [True, False], ids=["moved", "removed"])
    def test_a_new_one_begins(self, hark, ask, moved):
        ask(b"/first")
        old_row = hark.wait_row("state = 'done'")
        old = hark.db.with_name("old.db")
        hark.db.rename(old) if moved else hark.db.unlink()
        ask(b"/second")
        hark.wait_log("warn  store: .* was removed or moved away; a new recording begins")
        row = hark.wait_row("state = 'done'")
        assert (row["path"], row["id"], row["session_id"]) == (
            "/second", old_row["id"] + 1, old_row["session_id"])
        assert "/second" in hark.cli("ls").stdout
        assert [each["id"] for each in Api(hark).exchanges()] == [row["id"]]
        hark.stop()
        assert hark.value("SELECT group_concat(state) FROM session") == "ended"
        assert hark.value("PRAGMA integrity_check") == "ok"
        if moved:
            with contextlib.closing(sqlite3.connect(old)) as other:
                assert other.execute("SELECT path FROM exchange").fetchall() == [("/first",)]

    def test_what_was_under_way_is_in_the_new_one(self, hark, origin, client):
        gate = threading.Event()

        def handle(conn):
            conn.read_request()
            conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na")
            assert gate.wait(20)
            conn.send(b"b")

        peer = client(hark)
        peer.send(fill(GET % b"/held", origin(handle)))
        wait_until(lambda: hark.value("SELECT count(*) FROM body"), "what came first to be written")
        hark.db.unlink()
        gate.set()
        assert peer.response().body == b"ab"
        hark.wait_log("a new recording begins")
        row = hark.wait_row("state = 'done'")
        assert (row["path"], row["body_truncated"]) == ("/held", 1)

    def test_another_file_in_its_place_is_left_alone(self, hark, ask, tmp_path):
        ask(b"/first")
        hark.wait_row("state = 'done'")
        other = tmp_path / "other.db"
        other.write_bytes(b"something else")
        other.rename(hark.db)
        assert ask(b"/second").status == 200
        hark.wait_log("not recording: .*another file has been put in its place; restart hark")
        assert Api(hark).ask("/readyz", token=False).status == 503
        assert hark.db.read_bytes() == b"something else"

    def test_without_its_folder_it_says_so(self, hark, ask):
        ask(b"/first")
        hark.wait_row("state = 'done'")
        shutil.rmtree(hark.data_dir)
        assert ask(b"/second").status == 200
        hark.wait_log("not recording: .*No such file or directory")
        assert Api(hark).ask("/readyz", token=False).status == 503


class TestOtherUsersOfTheFile:
    """As long as the list of faults says; test_recording.py has the same for some seconds."""

    @pytest.mark.soak
    @pytest.mark.parametrize("durability", ["relaxed", "commit"])
    def test_reader_of_a_minute_fails_no_request(self, daemon, origin, durability):
        hark = daemon(settings=[f"durability={durability}"])
        server = origin()
        load = Load(hark.proxy_port, server.url)
        wait_until(lambda: len(load.answered) > 20 or load.broken, "some load")
        reader = hark.connect()
        reader.execute("BEGIN")
        seen = reader.execute("SELECT count(*) FROM exchange").fetchone()[0]
        until = time.monotonic() + 60
        wait_until(lambda: time.monotonic() > until or load.broken, "a minute", seconds=80)
        assert reader.execute("SELECT count(*) FROM exchange").fetchone()[0] == seen
        load.stop()
        reader.close()
        assert not load.broken, load.broken[0]
        assert set(load.statuses) == {200}
        hark.wait_rows("status = 200", count=len(load.answered), seconds=30)

    @pytest.mark.soak
    @pytest.mark.parametrize("durability", ["relaxed", "commit"])
    def test_file_locked_for_half_a_minute_loses_nothing(self, daemon, origin, durability):
        hark = daemon(settings=[f"durability={durability}"])
        load = Load(hark.proxy_port, origin().url, seconds=60)
        wait_until(lambda: len(load.answered) > 20 or load.broken, "some load")
        with contextlib.closing(sqlite3.connect(hark.db, isolation_level=None, timeout=5)) as other:
            other.execute("BEGIN EXCLUSIVE")
            until = time.monotonic() + 30
            wait_until(lambda: time.monotonic() > until or load.broken, "30 s", seconds=50)
            other.execute("ROLLBACK")
        load.stop()
        assert not load.broken, load.broken[0]
        assert set(load.statuses) == {200}
        settled(hark)
        assert set(load.answered) <= paths_of(hark, "status = 200")

    @pytest.mark.soak
    def test_second_daemon_is_refused_within_a_second(self, daemon):
        hark = daemon()
        other = hark.home / "elsewhere"
        words = ["--listen", "127.0.0.1:0", "--ui", "off", "--data-dir", other, "--db", hark.db]
        began = time.monotonic()
        done = hark.cli("serve", *words)
        assert done.returncode == 1 and "writes to it" in done.stderr
        assert time.monotonic() - began < SCALE


@pytest.mark.skipif(FAKETIME is None or SCALE != 1,
                    reason="libfaketime is not installed, or a sanitizer is, which it does not go with")
class TestClock:
    """The wall clock leaps while hark runs."""

    @pytest.fixture
    def hark(self, daemon, tmp_path):
        self.time_file = tmp_path / "time"
        self.time_file.write_text("+0\n")
        return daemon(
            settings=["keep_age=20m", "idle_timeout=1h", "header_timeout=1h"],
            env={
                "LD_PRELOAD": FAKETIME,
                "FAKETIME_TIMESTAMP_FILE": self.time_file,
                "FAKETIME_NO_CACHE": "1",
                # Else every wait of a thread ends at once, and it goes round in circles.
                "FAKETIME_FORCE_MONOTONIC_FIX": "0",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "DONT_FAKE_MONOTONIC": "1",
            },
        )

    @pytest.mark.parametrize("leap", ["+1d", "-1d"])
    def test_leap_ends_no_request_and_deletes_nothing(self, hark, origin, client, leap):
        asked, go_on = threading.Event(), threading.Event()

        def slow(conn):
            conn.read_request()
            conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
            asked.set()
            go_on.wait(20)
            conn.send(b"def")

        quick = client(hark)
        server = origin(OK)
        assert quick.ask(fill(GET % b"/before", server)).status == 200
        before = hark.wait_row("path = '/before'")["started_us"]
        peer = client(hark)
        peer.send(fill(GET % b"/slow", origin(slow)))
        assert asked.wait(10)
        self.time_file.write_text(leap + "\n")
        if leap == "+1d":
            hark.wait_log("the clock was set forward", seconds=90)
        assert quick.ask(fill(GET % b"/after", server)).status == 200
        go_on.set()
        assert peer.response().body == b"abcdef"
        row = hark.row_of(peer)
        assert row["state"] == "done" and 0 <= row["duration_us"] < 120_000_000 * SCALE
        after = hark.wait_row("path = '/after'")["started_us"]
        assert 0.9 < abs(after - before) / 86_400e6 < 1.1
        assert paths_of(hark, "1") == {"/before", "/slow", "/after"}

    def test_host_met_while_it_was_ahead_is_not_lost(self, hark, tls_client):
        """Its certificate is kept for half a year, but was not valid yet when the clock was right."""
        self.time_file.write_text("+300d\n")
        with pytest.raises(ssl.SSLError, match="not yet valid"):
            tls_client(hark)
        self.time_file.write_text("+0\n")
        serials = {tls_client(hark).sock.getpeercert()["serialNumber"] for _ in range(2)}
        assert len(serials) == 1

    def test_copy_of_an_upgrade_goes_after_a_week(self, hark):
        hark.stop()
        copy, damaged = (hark.data_dir / f"hark.db.{end}" for end in ("v1-backup", "damaged-x"))
        for file in (copy, damaged):
            file.write_bytes(b"secret")
        hark.settings = []
        for days in (6, 8):
            with contextlib.closing(sqlite3.connect(hark.db)) as connection, connection:
                connection.execute("UPDATE session SET settings = '{}'")  # as after a boot
            self.time_file.write_text(f"+{days}d\n")
            hark.start()
            if days == 8:
                wait_until(lambda: not copy.exists(), "the copy to go")
            hark.stop()
            assert copy.exists() == (days == 6) and damaged.exists()

    def test_authority_made_while_it_was_ahead_is_told_of(self, hark):
        hark.stop()
        (hark.data_dir / "ca.pem").unlink()
        self.time_file.write_text("+1500d\n")
        hark.start()
        assert not any("valid only from" in line for line in hark.lines)
        hark.stop()
        self.time_file.write_text("+0\n")
        hark.start()
        hark.wait_log(r"ca\.pem is valid only from \d{4}-\d\d-\d\dT.* set the clock")
