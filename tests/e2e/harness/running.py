# SPDX-License-Identifier: MIT
"""`hark run` as a process: to its end, or while it goes on."""

import re
import signal
import subprocess

from .daemon import HARK, SANITIZER, clean_environment
from .wait import SCALE

SUMMARY = re.compile(
    r"^hark: (?:played back (?P<played>\d+) exchanges?, )?recorded (?P<count>\d+) exchanges?(?:, (?P<errors>\d+) errors?)?"
    r": hark ls(?P<where>.*) session:(?P<session>\d+)$",
    re.MULTILINE,
)


class Summary:
    def __init__(self, stderr):
        found = SUMMARY.search(stderr)
        assert found, f"no summary in {stderr!r}"
        self.count, self.errors = int(found["count"]), int(found["errors"] or 0)
        self.where, self.session = found["where"], int(found["session"])
        self.played = int(found["played"] or 0)


class Running:
    """hark run with `words` behind it; `flags` are its own."""

    def __init__(self, data_dir, home, *words, flags=(), env=None, java=False,
                 stdin=subprocess.DEVNULL, **popen):
        home.mkdir(exist_ok=True)
        where = ["--data-dir", str(data_dir)] if data_dir else []
        self.process = subprocess.Popen(
            [str(HARK), "run", *where, *map(str, flags), "--", *map(str, words)],
            env=clean_environment(home, java, **(env or {})), cwd=home, stdin=stdin,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **popen,
        )

    def read_line(self):
        """The next line of standard output."""
        return self.process.stdout.readline().decode().rstrip("\n")

    def finish(self, seconds=30, data=None):
        """(exit status, standard output, standard error)"""
        out, err = self.process.communicate(data, seconds * SCALE)
        assert not SANITIZER.search(err.decode()), err.decode()
        return self.process.returncode, out.decode(), err.decode()

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.communicate(timeout=10 * SCALE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.communicate()
        for stream in (self.process.stdout, self.process.stderr, self.process.stdin):
            if stream:
                stream.close()
