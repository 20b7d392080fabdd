# SPDX-License-Identifier: MIT
"""hark tail: every exchange once, whatever happens to the daemon and to the file."""

import collections
import json
import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest
from harness import SCALE, wait_until
from harness.conformance import fill
from harness.daemon import HARK, clean_environment, run_hark
from harness.load import Load
from harness.origin import OK

GET = b"GET {url}%s HTTP/1.1\r\nHost: {host}\r\n\r\n"


class Tail:
    """A running `hark tail`; its lines come in `lines`."""

    def __init__(self, home, data_dir, *words):
        self.lines = []
        self.process = subprocess.Popen(
            [str(HARK), "tail", "--data-dir", str(data_dir), *words], cwd=home,
            env=clean_environment(home), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        self.collector = threading.Thread(target=self._collect, daemon=True)
        self.collector.start()

    def _collect(self):
        for line in self.process.stdout:
            self.lines.append(line.decode().rstrip("\n"))

    @property
    def ids(self):
        return [int(line.split("\t")[0]) for line in list(self.lines)]

    def wait_ids(self, ids, seconds=10):
        """Until it has told these; then they are all it has told, each of them once."""
        wanted = collections.Counter(ids)
        wait_until(lambda: not wanted - collections.Counter(self.ids), f"rows {sorted(wanted)}",
                   seconds)
        assert collections.Counter(self.ids) == wanted

    def wait_opens(self, name):
        folder = f"/proc/{self.process.pid}/fd"

        def target(fd):
            try:
                return os.readlink(f"{folder}/{fd}")
            except FileNotFoundError:  # closed since it was listed
                return ""

        def has_it():
            return any(name in target(fd) for fd in os.listdir(folder))

        wait_until(has_it, f"hark tail to open {name}")
        return self

    def wait_follows(self):
        """Until it has begun; what ends from now on is told."""
        self.wait_opens("hark.db-shm")
        process = Path(f"/proc/{self.process.pid}")

        def waits():
            # "0" while it runs, and where the kernel does not tell.
            where = (process / "wchan").read_text()
            is_asleep = "State:\tS" in (process / "status").read_text()
            return "poll" in where or (where == "0" and is_asleep)

        wait_until(waits, "hark tail to wait")
        return self

    def interrupt(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        code = self.process.wait(10 * SCALE)
        self.collector.join(10)
        stderr = self.process.stderr.read().decode()
        self.process.stderr.close()
        return code, stderr


@pytest.fixture
def tail(tmp_path):
    """tail(hark or data folder, *words) starts one; all of them must end well when interrupted."""
    started = []

    def start(where, *words):
        data_dir = getattr(where, "data_dir", where)
        started.append(Tail(tmp_path, data_dir, *words))
        return started[-1]

    yield start
    for one in started:
        if not one.process.stderr.closed:
            assert one.interrupt() == (0, "")


def ask(hark, server, client, *paths):
    peer = client(hark)
    for path in paths:
        peer.ask(fill(GET % path.encode(), server))


def slow_and_quick(conn):
    """Every seventh answer takes its time, in two parts."""
    while request := conn.read_request():
        number = int(request.target.rsplit("-", 1)[1])
        if number % 7 == 3:
            conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
            threading.Event().wait(0.15 + number % 5 * 0.05)
            conn.send(b"cd")
        else:
            conn.send(OK)


class TestRunning:
    def test_new_ones_are_told_and_old_ones_are_not(self, daemon, origin, client, tail):
        hark, server = daemon(), origin(OK)
        ask(hark, server, client, "/old")
        hark.wait_row("path = '/old'")
        following = tail(hark).wait_follows()
        ask(hark, server, client, "/new")
        following.wait_ids([2])
        assert following.lines[0].split("\t")[3].endswith("/new")

    def test_rows_are_those_of_ls(self, daemon, origin, client, tail):
        hark = daemon()
        following = tail(hark).wait_follows()
        ask(hark, origin(OK), client, "/a", "/b")
        following.wait_ids([1, 2])
        assert "".join(line + "\n" for line in following.lines) == hark.cli("ls").stdout

    def test_filter_and_json(self, daemon, origin, client, tail):
        hark, server = daemon(), origin(OK)
        following = tail(hark, "--json", "path:/b*").wait_follows()
        ask(hark, server, client, "/a", "/b1", "/c", "/b2")
        wait_until(lambda: len(following.lines) == 2, "two rows")
        rows = [json.loads(line) for line in following.lines]
        assert [(row["id"], row["state"]) for row in rows] == [(2, "done"), (4, "done")]

    def test_the_last_ones_come_first(self, daemon, origin, client, tail):
        hark, server = daemon(), origin(OK)
        ask(hark, server, client, "/1", "/2", "/3", "/4", "/5")
        hark.wait_rows("1", count=5)
        following = tail(hark, "-n", "2", "-path:/4").wait_follows()
        following.wait_ids([3, 5])
        ask(hark, server, client, "/6")
        following.wait_ids([3, 5, 6])

    def test_slow_one_is_told_when_it_ends(self, daemon, origin, client, tail):
        go_on = threading.Event()

        def slow(conn):
            conn.read_request()
            conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
            go_on.wait(30)
            conn.send(b"cd")

        hark = daemon()
        peer = client(hark)
        peer.send(fill(GET % b"/slow", origin(slow)))
        wait_until(lambda: hark.sql("SELECT 1 FROM exchange WHERE state = 'pending'"), "its row")
        following = tail(hark, "-n", "5").wait_follows()
        ask(hark, origin(OK), client, "/quick")
        following.wait_ids([2])
        go_on.set()
        assert peer.response().body == b"abcd"
        following.wait_ids([2, 1])

    def test_every_one_of_a_load_is_told_once(self, daemon, origin, tail):
        hark = daemon()
        followings = [tail(hark).wait_follows(), tail(hark, "-n", "3").wait_follows()]
        load = Load(hark.proxy_port, origin(slow_and_quick).url, clients=8)
        wait_until(lambda: len(load.answered) >= 500, "500 answers", seconds=60)
        followings.append(tail(hark, "-n", "100000").wait_follows())
        load.stop()
        assert not load.broken
        rows = hark.wait_rows("1", count=len(load.answered))
        for following in followings:
            following.wait_ids([row["id"] for row in rows])


class TestLife:
    def test_daemon_that_comes_later(self, tmp_path, daemon, origin, client, tail):
        following = tail(tmp_path / "later")
        hark = daemon(data_dir=tmp_path / "later")
        ask(hark, origin(OK), client, "/a", "/b")
        following.wait_ids([1, 2])

    def test_daemon_that_is_killed_and_started_again(self, daemon, origin, client, tail):
        def never(conn):
            conn.read_request()
            conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
            conn.wait_peer_closes(60)

        hark, server = daemon(), origin(OK)
        following = tail(hark).wait_follows()
        ask(hark, server, client, "/1", "/2")
        client(hark).send(fill(GET % b"/never", origin(never)))
        wait_until(lambda: hark.sql("SELECT 1 FROM exchange WHERE state = 'pending'"), "its row")
        hark.kill()
        hark.start()
        ask(hark, server, client, "/4", "/5")
        following.wait_ids([1, 2, 3, 4, 5])
        assert [line.split("\t")[9] for line in following.lines if line.startswith("3\t")] == \
            ["interrupted"]

    def test_file_that_is_replaced(self, daemon, origin, client, tail):
        hark, server = daemon(), origin(OK)
        following = tail(hark).wait_follows()
        ask(hark, server, client, "/1", "/2")
        following.wait_ids([1, 2])
        hark.stop()
        for file in hark.data_dir.glob("hark.db*"):
            file.unlink()
        hark.start()
        ask(hark, server, client, "/1", "/2", "/3")
        following.wait_ids([1, 2, 1, 2, 3])

    def test_deleted_ones_do_no_harm(self, daemon, origin, client, tail):
        hark, server = daemon(), origin(OK)
        following = tail(hark).wait_follows()
        ask(hark, server, client, "/1", "/2")
        following.wait_ids([1, 2])
        assert hark.cli("prune", "id:1..").returncode == 0
        ask(hark, server, client, "/3")
        following.wait_ids([1, 2, 3])

    def test_reader_that_goes_away_ends_it(self, daemon):
        hark = daemon()
        done = subprocess.Popen([str(HARK), "tail", "--data-dir", str(hark.data_dir)],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=hark.home,
                                env=clean_environment(hark.home))
        done.stdout.close()
        assert done.wait(10 * SCALE) == 0
        assert done.stderr.read() == b""
        done.stderr.close()

    def test_interrupt_is_quiet(self, tmp_path, daemon, tail):
        assert tail(daemon()).wait_follows().interrupt() == (0, "")
        assert tail(tmp_path / "none").wait_opens("signalfd").interrupt() == (0, "")


class TestUsage:
    @pytest.mark.parametrize("words", [("hst:x",), ("-n", "x"), ("-o", "xml")])
    def test_mistakes(self, tmp_path, words):
        done = run_hark("tail", "--data-dir", tmp_path, *words, home=tmp_path)
        assert done.returncode == 2
        assert done.stderr.startswith("hark tail: ")

    def test_file_that_is_no_recording(self, tmp_path):
        (tmp_path / "hark.db").write_bytes(b"no database at all, and longer than a header" * 10)
        done = run_hark("tail", "--data-dir", tmp_path, home=tmp_path)
        assert done.returncode == 1
        assert "no recording" in done.stderr
