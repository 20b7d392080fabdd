# SPDX-License-Identifier: MIT
"""Several clients that keep asking, and remember which answers they got whole."""

import threading

from .client import RawClient
from .message import Aborted


class Load:
    """Paths answered whole with 200 are in `answered`; `statuses` counts all, `broken` failures."""

    def __init__(self, port, origin_url, clients=6, body=b"", prefix="", seconds=10):
        self.port, self.origin_url, self.body, self.prefix = port, origin_url, body, prefix
        self.seconds = seconds  # that an answer may take
        self.answered = []
        self.statuses = {}
        self.broken = []
        self.stopping = threading.Event()
        self.threads = [
            threading.Thread(target=self._run, args=(n,), daemon=True) for n in range(clients)
        ]
        for thread in self.threads:
            thread.start()

    def _run(self, number):
        sequence = 0
        while not self.stopping.is_set():
            try:
                with RawClient(self.port, seconds=self.seconds) as peer:
                    sequence = self._ask(peer, number, sequence)
            except (OSError, Aborted) as failure:
                if not self.stopping.is_set():
                    self.broken.append(failure)
                return

    def _ask(self, peer, number, sequence):
        host = self.origin_url.split("/")[2]
        while not self.stopping.is_set():
            path = f"/{self.prefix}{number}-{sequence}"
            sequence += 1
            length = f"Content-Length: {len(self.body)}\r\n" if self.body else ""
            method = "POST" if self.body else "GET"
            head = f"{method} {self.origin_url}{path} HTTP/1.1\r\nHost: {host}\r\n{length}\r\n"
            response = peer.ask(head.encode() + self.body)
            if not response.complete:
                raise Aborted("eof")
            self.statuses[response.status] = self.statuses.get(response.status, 0) + 1
            if response.status == 200:
                self.answered.append(path)
            if response.closes:
                return sequence
        return sequence

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(30)
