# SPDX-License-Identifier: MIT
"""A `hark serve` with a data folder of its own, and the recording it makes.

The environment HARK names the binary; without it, build/release/hark is taken.
"""

import json
import os
import re
import signal
import sqlite3
import subprocess
import threading
from pathlib import Path

from .wait import SCALE, wait_until

ROOT = Path(__file__).resolve().parents[3]
HARK = Path(os.environ.get("HARK") or ROOT / "build/release/hark").resolve()
SANITIZER = re.compile(r"(Address|Leak|Thread|Memory|UndefinedBehavior)Sanitizer|runtime error:")
READY = re.compile(
    r"^hark: ready: proxy http://(?P<proxy>\S+:\d+)"
    r"(, page (http://(?P<page>\S+:\d+)|off))?(, reverse (?P<reverse>.+?))?, recording to (?P<db>.+)$"
)


def clean_environment(home, java=False, **extra):
    """An environment in which only the test decides: no proxies, no settings, no user's files. And no
    Java, unless it is wanted: to look into its trust store, or to make one, takes hark a second."""
    keep = {
        name: os.environ[name]
        for name in (
            "PATH",
            "LANG",
            "TZ",
            "ASAN_OPTIONS",
            "UBSAN_OPTIONS",
            "TSAN_OPTIONS",
            "LSAN_OPTIONS",
        )
        if name in os.environ
    }
    without = {} if java else {"JAVA_HOME": "/nonexistent"}
    return {**keep, **without, "HOME": str(home), **{k: str(v) for k, v in extra.items()}}


def run_hark(*args, home, env=None, java=False, stdin=None, seconds=20, text=True, **popen):
    """Run one hark command to its end."""
    done = subprocess.run(
        [str(HARK), *map(str, args)],
        env=clean_environment(home, java, **(env or {})),
        input=stdin,
        stdin=None if stdin is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=seconds * SCALE,
        cwd=home,
        check=False,
        **popen,
    )
    if text:
        done.stdout, done.stderr = (
            out.decode("utf-8", "replace") for out in (done.stdout, done.stderr)
        )
        assert not SANITIZER.search(done.stderr), done.stderr
    assert done.returncode >= 0, f"hark {args} died of signal {-done.returncode}: {done.stderr}"
    return done


class Daemon:
    """Running from construction to stop(), kill() or close().

    settings: "key=value" strings for --set; config: the text of a config file; flags: as they are.
    """

    def __init__(
        self,
        home,
        *flags,
        settings=(),
        config=None,
        ui="off",
        listen="127.0.0.1:0",
        env=None,
        preexec=None,
        data_dir=None,
        close_fds=True,
    ):
        self.home = Path(home)
        self.home.mkdir(parents=True, exist_ok=True)
        self.data_dir = Path(data_dir or self.home / "data")
        self.config_file = self.home / "hark.conf"
        self.flags = list(flags)
        self.settings = list(settings)
        self.ui, self.listen = ui, listen
        self.env = dict(env or {})
        self.preexec = preexec
        self.close_fds = close_fds
        if config is not None:
            self.config_file.write_text(config)
            self.flags += ["--config", str(self.config_file)]
        self.reports = []  # sanitizer output of earlier runs
        self.start()

    # -- life --------------------------------------------------------------------------------

    def command(self):
        where = [] if self.listen is None else ["--listen", self.listen]
        page = [] if self.ui is None else ["--ui", self.ui]
        sets = [word for setting in self.settings for word in ("--set", setting)]
        return [
            str(HARK),
            "serve",
            "--data-dir",
            str(self.data_dir),
            *where,
            *page,
            *sets,
            *map(str, self.flags),
        ]

    def start(self):
        self.lines = []
        self.was_told_to_stop = False
        self.process = subprocess.Popen(
            self.command(),
            env=clean_environment(self.home, **self.env),
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            preexec_fn=self.preexec,
            close_fds=self.close_fds,
        )
        self.collector = threading.Thread(target=self._collect, daemon=True)
        self.collector.start()
        ready = self.wait_log(READY, seconds=10)
        self.proxy_port = int(ready["proxy"].rsplit(":", 1)[1])
        # By origin: the ports of the addresses that stand in for one.
        self.reverse_ports = {
            origin: int(port)
            for port, origin in re.findall(r"http://\S+:(\d+) for (\S+?)(?:,|$)", ready["reverse"] or "")
        }
        self.page_port = ready["page"] and int(ready["page"].rsplit(":", 1)[1])
        self.db = Path(ready["db"])
        self.proxy_url = f"http://127.0.0.1:{self.proxy_port}"
        self.page_url = f"http://127.0.0.1:{self.page_port}"
        return self

    def _collect(self):
        with self.process.stderr as stream:
            for line in stream:
                self.lines.append(line.decode("utf-8", "replace").rstrip("\n"))

    @property
    def stderr(self):
        return "\n".join(self.lines)

    @property
    def pid(self):
        return self.process.pid

    def is_running(self):
        return self.process.poll() is None

    def wait_log(self, pattern, seconds=5):
        """The first stderr line that the pattern is found in, as a match."""
        pattern = re.compile(pattern)

        def find():
            ended = not self.is_running()
            if ended:
                self.collector.join(5)
            found = next(filter(None, map(pattern.search, list(self.lines))), None)
            assert found or not ended, f"hark ended with {self.process.returncode}:\n{self.stderr}"
            return found

        return wait_until(find, f"{pattern.pattern!r} on stderr of hark", seconds)

    def wait_exit(self, seconds=15):
        code = self.process.wait(seconds * SCALE)
        self.collector.join(5 * SCALE)
        self.reports += SANITIZER.findall(self.stderr) and [self.stderr]
        return code

    def signal(self, number):
        self.was_told_to_stop |= number in (signal.SIGTERM, signal.SIGINT)
        self.process.send_signal(number)

    def stop(self, seconds=15):
        """Ask it to end, and insist that it ends well. A second signal would cut the draining short."""
        if not self.was_told_to_stop:
            self.signal(signal.SIGTERM)
        code = self.wait_exit(seconds)
        assert code == 0, f"hark ended with {code}:\n{self.stderr}"
        self.assert_clean()

    def kill(self):
        self.process.kill()
        self.wait_exit()

    def close(self):
        """End of the test: stop what runs; a crash or a sanitizer's report fails the test."""
        if self.is_running():
            try:
                self.stop()
            finally:
                if self.is_running():
                    self.kill()
        code = self.process.returncode
        assert code in (0, -signal.SIGKILL), f"hark ended with {code}:\n{self.stderr}"
        self.assert_clean()

    def assert_clean(self):
        assert not self.reports, self.reports[0]
        assert not SANITIZER.search(self.stderr), self.stderr

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # -- looking at it -----------------------------------------------------------------------

    def status_field(self, name):
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return line.split(":", 1)[1].split()[0]
        raise KeyError(name)

    def rss(self):
        """Resident bytes."""
        return int(self.status_field("VmRSS")) * 1024

    def peak_rss(self):
        return int(self.status_field("VmHWM")) * 1024

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def cli(self, *args, **options):
        """Run another hark command on the same data folder."""
        command, *rest = args
        return run_hark(command, "--data-dir", self.data_dir, *rest, home=self.home, **options)

    # -- the recording -----------------------------------------------------------------------

    def connect(self):
        connection = sqlite3.connect(f"file:{self.db}?mode=ro", uri=True, timeout=5 * SCALE)
        connection.row_factory = sqlite3.Row
        return connection

    def sql(self, query, *parameters):
        connection = self.connect()
        try:
            return connection.execute(query, parameters).fetchall()
        finally:
            connection.close()

    def value(self, query, *parameters):
        return self.sql(query, *parameters)[0][0]

    def wait_rows(self, where, *parameters, count=1, seconds=5):
        """The exchanges that match, oldest first, once there are `count` and none is pending."""
        query = f"SELECT * FROM exchange WHERE {where} ORDER BY id"

        def finished():
            rows = self.sql(query, *parameters)
            return (
                rows if len(rows) >= count and all(r["state"] != "pending" for r in rows) else None
            )

        try:
            return wait_until(finished, f"{count} finished rows with {where} {parameters}", seconds)
        except AssertionError as failure:
            seen = [tuple(r) for r in self.sql(query, *parameters)]
            raise AssertionError(f"{failure}; rows that match: {seen}") from None

    def wait_row(self, where, *parameters, seconds=5):
        return self.wait_rows(where, *parameters, seconds=seconds)[0]

    def rows_of(self, client, count=1, seconds=5):
        """The exchanges of one RawClient, which has an address of its own."""
        return self.wait_rows(
            "client_addr = ?1 OR client_addr LIKE ?1 || ':%'",
            client.address,
            count=count,
            seconds=seconds,
        )

    def row_of(self, client, seconds=5):
        return self.rows_of(client, seconds=seconds)[0]

    def segments(self, exchange_id, side):
        return self.sql(
            "SELECT * FROM body WHERE exchange_id = ? AND side = ? ORDER BY seq", exchange_id, side
        )

    def body(self, exchange_id, side):
        """The recorded bytes of one body."""
        parts = (row["data"] for row in self.segments(exchange_id, side))
        return b"".join(p.encode() if isinstance(p, str) else p for p in parts)


def fields_of(row, column):
    """A header list of a row as the list of (name, value) pairs."""
    return [tuple(pair) for pair in json.loads(row[column] or "[]")]
