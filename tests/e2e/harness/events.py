# SPDX-License-Identifier: MIT
"""A client of the API's event stream that reads on a thread of its own."""

import contextlib
import http.client
import json
import socket
import threading

from .wait import SCALE, wait_until


class Listener:
    """Listens from construction to close(). `events` are (position, row)."""

    def __init__(self, api, position=None, **query):
        headers = {"Last-Event-ID": position} if position else {}
        self.connection, self.response = api.open("/api/v1/events", headers=headers,
                                                  connection=api.connect(60), **query)
        assert self.response.status == 200, self.response.read()
        self.sock = self.connection.sock
        self.events = []
        self.position = position
        self.begins = None  # the position that was told first
        self.has_begun = threading.Event()
        self.has_ended = threading.Event()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        fields = {}
        try:
            for line in self.response:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name:
                    fields[name] = value
                    continue
                self._dispatch(fields)
                fields = {}
        except (OSError, ValueError, AttributeError, http.client.HTTPException):
            pass  # closed, by either side
        self.has_ended.set()

    def _dispatch(self, fields):
        self.position = fields.get("id", self.position)
        self.begins = self.begins or self.position
        if "data" in fields:
            assert fields["event"] == "exchange"
            self.events.append((self.position, json.loads(fields["data"])))
        self.has_begun.set()

    def begun(self):
        """Itself, once the stream has said where it begins."""
        wait_until(self.has_begun.is_set, "the stream to begin", 10)
        return self

    @property
    def ids(self):
        return [row["id"] for _, row in self.events]

    def wait(self, count, seconds=10):
        return wait_until(lambda: len(self.events) >= count and self.ids, f"{count} events",
                          seconds)

    def close(self):
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.thread.join(10 * SCALE)
        self.response.close()
        self.connection.close()
