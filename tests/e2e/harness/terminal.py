# SPDX-License-Identifier: MIT
"""Running hark on a terminal of a given width, to see what a person sees there."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

from .daemon import HARK, clean_environment
from .wait import SCALE, wait_until

COLOR = re.compile(r"\x1b\[[0-9;]*m")


def on_terminal(*args, home, columns=80, term="xterm-256color", env=None, seconds=20):
    """What the command wrote to its terminal, as text with "\\n" line ends, and its exit status."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = clean_environment(home, **{"TERM": term, "PAGER": "cat", **(env or {})})
    process = subprocess.Popen([str(HARK), *map(str, args)], env=environment, cwd=home,
                               stdin=slave, stdout=slave, stderr=subprocess.DEVNULL)
    os.close(slave)
    written = bytearray()
    limit = time.monotonic() + seconds * SCALE
    while time.monotonic() < limit:
        if not select.select([master], [], [], 0.1)[0]:
            continue
        try:
            data = os.read(master, 65536)
        except OSError:  # the last one on the terminal has gone
            break
        written += data
    os.close(master)
    status = process.wait(seconds * SCALE)
    return written.decode("utf-8").replace("\r\n", "\n"), status


class OnTerminal:
    """A command whose messages go to a terminal, and its results elsewhere."""

    def __init__(self, hark, *words):
        self.master, slave = pty.openpty()
        self.text = ""
        self.process = subprocess.Popen(
            [str(HARK), words[0], "--data-dir", str(hark.data_dir), *words[1:]],
            env=clean_environment(hark.home, TERM="xterm"), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=slave,
        )
        os.close(slave)

    def _read(self):
        while select.select([self.master], [], [], 0)[0]:
            try:
                self.text += os.read(self.master, 65536).decode()
            except OSError:  # it has ended
                return

    def wait_for(self, pattern):
        def is_there():
            self._read()
            return re.search(pattern, self.text)

        return wait_until(is_there, f"{pattern} on the terminal", seconds=20)

    def end(self):
        status = self.process.wait(20)
        self._read()
        os.close(self.master)
        return status
