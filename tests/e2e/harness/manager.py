# SPDX-License-Identifier: MIT
"""What a service manager does for a daemon: a socket that it reports to, and sockets passed in."""

import ctypes
import fcntl
import os
import socket
import threading
from pathlib import Path

from .daemon import Daemon
from .wait import wait_until

libc = ctypes.CDLL(None, use_errno=True)
PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17
WALL = 0x40000000


class Manager:
    """Listens on a NOTIFY_SOCKET and keeps what comes, datagram by datagram."""

    def __init__(self, folder):
        self.path = str(folder / "notify")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.path)
        self.messages = []
        threading.Thread(target=self._collect, daemon=True).start()

    def _collect(self):
        while message := self.sock.recv(4096):
            self.messages.append(message.decode())

    def environment(self, watchdog_us=None):
        more = {"WATCHDOG_USEC": watchdog_us} if watchdog_us else {}
        return {"NOTIFY_SOCKET": self.path, **more}

    def count(self, line):
        return sum(line in message.splitlines() for message in list(self.messages))

    def lines(self):
        return [line for message in list(self.messages) for line in message.splitlines()]

    def wait(self, line, count=1, seconds=10):
        wait_until(lambda: self.count(line) >= count, f"{count} times {line}", seconds)

    def close(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.sendto(b"", self.path)


class ActivatedDaemon(Daemon):
    """A daemon that gets listening sockets, (name, socket) each, as its descriptors from 3 on."""

    def __init__(self, home, sockets, **options):
        self.names = ":".join(name for name, _ in sockets)
        self.passed = [fcntl.fcntl(one, fcntl.F_DUPFD, 20) for _, one in sockets]
        for fd in self.passed:
            os.set_inheritable(fd, True)
        super().__init__(home, close_fds=False, **options)

    def command(self):
        moves = " ".join(f"{3 + i}<&{fd}" for i, fd in enumerate(self.passed))
        script = (
            f"exec {moves}; export LISTEN_FDS={len(self.passed)} LISTEN_FDNAMES={self.names}; "
            'LISTEN_PID=$$ exec "$@"'
        )
        return ["bash", "-c", script, "bash", *super().command()]

    def close(self):
        super().close()
        for fd in self.passed:
            os.close(fd)
        self.passed = []


class StoppedThread:
    """Holds up one thread of a process, and lets it go on in the end."""

    def __init__(self, pid, name):
        tasks = Path(f"/proc/{pid}/task").iterdir()
        self.tid = next(int(t.name) for t in tasks if (t / "comm").read_text().strip() == name)

    def _ptrace(self, request):
        if libc.ptrace(request, self.tid, None, None) != 0:
            raise OSError(ctypes.get_errno(), f"ptrace {request} of {self.tid}")

    def __enter__(self):
        self._ptrace(PTRACE_SEIZE)
        self._ptrace(PTRACE_INTERRUPT)
        os.waitpid(self.tid, WALL)
        return self

    def __exit__(self, *_):
        self._ptrace(PTRACE_DETACH)
