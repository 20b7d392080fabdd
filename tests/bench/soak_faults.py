# SPDX-License-Identifier: MIT
"""What is done to the daemon, and asked of it, while it is soaked: one thing after another on a
thread of its own, in an order that chance decides."""

import contextlib
import os
import random
import re
import signal
import sqlite3
import subprocess
import threading
import time

from harness.api import Api
from harness.daemon import HARK, clean_environment


class Disk:
    """A file system of its own on a loop device, which can be filled up. Needs root."""

    def __init__(self, folder, gib):
        self.image, self.path = folder / "disk.img", folder / "disk"
        self.path.mkdir()
        with self.image.open("wb") as file:
            file.truncate(gib << 30)
        options = ["-q", "-F", "-m", "0", "-E", "lazy_itable_init=1,nodiscard"]
        subprocess.run(["mkfs.ext4", *options, self.image], check=True)
        subprocess.run(["mount", "-o", "loop", self.image, self.path], check=True)

    @contextlib.contextmanager
    def filled(self):
        """As long as this lasts there is no space."""
        ballast = self.path / "ballast"
        with ballast.open("wb") as file:
            with contextlib.suppress(OSError):
                while True:
                    room = os.statvfs(self.path)
                    size = max(room.f_bavail * room.f_frsize, 4096)
                    os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, size)
        yield
        ballast.unlink()

    def close(self):
        subprocess.run(["umount", "-l", self.path], check=True)
        self.image.unlink()


class Faults(threading.Thread):
    def __init__(self, hark, disk, seed):
        super().__init__(daemon=True)
        self.hark, self.disk = hark, disk
        self.random = random.Random(seed)
        self.ended = threading.Event()
        self.problems = []
        self.done = {}
        self.pruned = 0
        self.reloads = 0
        self.kinds = [
            self.hold_a_transaction, self.lock_exclusively, self.reload, self.tail, self.listen,
            self.query, self.search_bodies, self.prune, self.note, self.replay, self.export,
            self.stop_for_a_moment, self.page,
        ] + ([self.fill_disk] if disk else [])

    def run(self):
        while not self.ended.is_set():
            for kind in self.random.sample(self.kinds, len(self.kinds)):
                if self.ended.wait(self.random.uniform(1, 5)):
                    return
                try:
                    kind()
                except Exception as failure:  # each is a finding; the soak goes on
                    self.problems.append(f"{time.strftime('%T')} {kind.__name__}: {failure!r}")
                self.done[kind.__name__] = self.done.get(kind.__name__, 0) + 1

    def end(self):
        self.ended.set()
        self.join()

    def cli(self, *args, allowed=(0,)):
        done = self.hark.cli(*args, seconds=120)
        if done.returncode not in allowed:
            raise RuntimeError(f"hark {args} ended with {done.returncode}: {done.stderr}")
        return done

    # -- the file --------------------------------------------------------------------------------

    def hold_a_transaction(self):
        connection = sqlite3.connect(f"file:{self.hark.db}?mode=ro", uri=True, isolation_level=None)
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM session").fetchone()
        self.ended.wait(self.random.uniform(10, 60))
        connection.close()

    def lock_exclusively(self):
        connection = sqlite3.connect(self.hark.db, isolation_level=None, timeout=60)
        connection.execute("BEGIN EXCLUSIVE")
        self.ended.wait(self.random.uniform(2, 10))
        connection.execute("ROLLBACK")
        connection.close()

    def fill_disk(self):
        with self.disk.filled():
            self.ended.wait(3)

    # -- the process -----------------------------------------------------------------------------

    def stop_for_a_moment(self):
        self.hark.signal(signal.SIGSTOP)
        self.ended.wait(1)
        self.hark.signal(signal.SIGCONT)

    def reload(self):
        self.reloads += 1
        text = self.hark.config_file.read_text()
        text = re.sub(r"(?m)^(passthrough = host)\d+", rf"\g<1>{self.reloads}", text)
        self.hark.config_file.write_text(text)
        for _ in range(self.random.choice([1, 1, 20])):
            self.hark.signal(signal.SIGHUP)

    # -- those who look --------------------------------------------------------------------------

    def tail(self):
        process = subprocess.Popen(
            [str(HARK), "tail", "--data-dir", str(self.hark.data_dir)], cwd=self.hark.home,
            env=clean_environment(self.hark.home), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL)
        self.ended.wait(self.random.uniform(1, 10))
        process.send_signal(self.random.choice([signal.SIGINT, signal.SIGKILL]))
        process.wait(60)

    def listen(self):
        """One who reads, one who does not."""
        api = Api(self.hark)
        silent, _ = api.open("/api/v1/events")
        connection, response = api.open("/api/v1/events", filter="status:>=400")
        until = time.monotonic() + self.random.uniform(1, 10)
        while time.monotonic() < until and not self.ended.is_set():
            response.readline()
        connection.close()
        silent.close()

    def page(self):
        api = Api(self.hark)
        for path in ("/livez", "/readyz", "/metrics", "/api/v1/status", "/api/v1/stats",
                     "/", "/api/v1/exchanges?limit=100"):
            try:
                answer = api.ask(path, connection=api.connect(60))
            except TimeoutError:
                raise RuntimeError(f"{path}: no answer within a minute") from None
            # 503 is the truth for a moment after the disk was full or locked
            if answer.status not in ((200, 503) if path == "/readyz" else (200,)):
                raise RuntimeError(f"{path}: {answer.status} {answer.body[:200]}")

    def query(self):
        words = self.random.choice(["is:error", "status:5xx since:1m", "dur:>500ms since:1m",
                                    "is:websocket", "path:/soak/events/*", "method:PUT -is:error"])
        self.cli("ls", "-n", "20", *words.split(), allowed=(0, 3))
        self.cli("stats", "since:30s", allowed=(0, 3))
        self.cli("sql", "SELECT count(*) FROM traffic WHERE id > (SELECT max(id) FROM traffic) - 99")

    def search_bodies(self):
        self.cli("ls", "-n", "5", "since:20s", "body:4275", allowed=(0, 3))

    def export(self):
        how = self.random.choice(["har", "curl", "jsonl"])
        self.cli("export", "--format", how, "since:5s", "-o", "/dev/null", allowed=(0, 3))

    # -- those who change it ---------------------------------------------------------------------

    def prune(self):
        done = self.cli("prune", "path:/soak/litter/*", allowed=(0, 3))
        found = re.search(r"deleted (\d+)", done.stdout + done.stderr)
        self.pruned += int(found[1]) if found else 0

    def note(self):
        self.cli("note", "@last", "seen by the soak", "--mark")

    def replay(self):
        last = self.hark.value("SELECT max(id) FROM exchange WHERE source = 'proxy'")
        words = [f"id:{last - 60}..{last}", "method:GET", "status:200", "-is:error", "-is:websocket",
                 "size:<10k"]
        self.cli("replay", "--concurrency", "8", *words, allowed=(0, 3))
