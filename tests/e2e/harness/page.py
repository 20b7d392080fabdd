# SPDX-License-Identifier: MIT
"""What the tests of the page in a browser have in common: something to look at."""

from .api import Api

ROWS = ".rows .row"


def response(body, kind="text/plain", status="200 OK", *fields):
    head = "".join(f"{field}\r\n" for field in (f"Content-Type: {kind}", *fields))
    length = f"Content-Length: {len(body)}\r\n\r\n"
    return f"HTTP/1.1 {status}\r\n{head}{length}".encode("latin-1") + body


NOT_FOUND = response(b"", "text/plain", "404 Not Found")


def fetch(client, daemon, server, path="/", *fields):
    head = "".join(f"{field}\r\n" for field in (f"Host: {server.host}", *fields))
    return client(daemon).ask(f"GET {server.url}{path} HTTP/1.1\r\n{head}\r\n".encode("latin-1"))


def recorded(daemon, count=1):
    """The ids, oldest first."""
    return [row["id"] for row in reversed(Api(daemon).wait_exchanges(count))]


def fetch_all(client, daemon, server, *paths):
    """The ids, once all are recorded."""
    for path in paths:
        fetch(client, daemon, server, path)
    return recorded(daemon, len(paths))
