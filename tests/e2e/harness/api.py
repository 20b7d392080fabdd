# SPDX-License-Identifier: MIT
"""The API of a daemon: over TCP with its token, or over the socket file."""

import http.client
import json
import socket
import urllib.parse

from .wait import SCALE, wait_until


class _OverSocket(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class Answer:
    def __init__(self, response, body):
        self.status, self.body = response.status, body
        self.fields = response.getheaders()

    def get(self, name):
        return next((v for n, v in self.fields if n.lower() == name.lower()), None)

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)


class Api:
    """Each call is a connection of its own. `token`: None takes the daemon's, False sends none."""

    def __init__(self, daemon, over_socket=False):
        self.daemon, self.over_socket = daemon, over_socket

    @property
    def token(self):
        return (self.daemon.data_dir / "token").read_text().strip()

    def log_in(self):
        """The cookie that the page's address with the token sets: "name=value"."""
        return self.ask(f"/?token={self.token}", token=False).get("Set-Cookie").split(";")[0]

    def connect(self, seconds=10):
        if self.over_socket:
            return _OverSocket(self.daemon.data_dir / "control.sock", seconds * SCALE)
        return http.client.HTTPConnection("127.0.0.1", self.daemon.page_port,
                                          timeout=seconds * SCALE)

    def open(self, path, method="GET", body=None, headers=(), token=None, connection=None, **query):
        """Send a request and return (connection, response) with the content still to be read."""
        connection = connection or self.connect()
        fields = dict(headers)
        if token is None and not self.over_socket:
            token = self.token
        if token:
            fields.setdefault("Authorization", f"Bearer {token}")
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            fields.setdefault("Content-Type", "application/json")
        if query:
            path += "?" + urllib.parse.urlencode(query)
        connection.request(method, path, body=body, headers=fields)
        return connection, connection.getresponse()

    def ask(self, path, method="GET", **options):
        connection, response = self.open(path, method, **options)
        try:
            return Answer(response, response.read())
        finally:
            connection.close()

    def read(self, path, **query):
        """The JSON of a GET that must succeed."""
        answer = self.ask(path, **query)
        assert answer.status == 200, answer.body
        return answer.json

    def exchanges(self, **query):
        return self.read("/api/v1/exchanges", **query)["exchanges"]

    def wait_exchanges(self, count, **query):
        """The newest exchanges, newest first, once there are so many and none is pending."""

        def finished():
            rows = self.exchanges(**query)
            return len(rows) >= count and all(r["state"] != "pending" for r in rows) and rows

        return wait_until(finished, f"{count} exchanges of {query}")


def assert_problem(answer, status):
    assert answer.status == status, answer.body
    assert answer.get("Content-Type") == "application/problem+json"
    problem = answer.json
    assert problem["status"] == status
    assert problem["title"] and problem["detail"]
    return problem
