# SPDX-License-Identifier: MIT
"""The services that the scenario programs talk to, in one origin that answers by Host.

As a server of api.github.com, httpbin.org and api.example.com it takes origin form; asked in
absolute form it plays a proxy, which shows what a program sends to one.
"""

import json
from urllib.parse import urlsplit

from .origin import RawOrigin
from .tls import TlsOrigin

DATA = {"items": [1, 2, 3], "name": "hark"}
HOSTS = ("api.github.com", "httpbin.org", "api.example.com")


def _json(status, value, indent=None):
    body = json.dumps(value, indent=indent).encode()
    return status, [("Content-Type", "application/json"), ("Server", "services/1")], body


def _echo(request):
    return {
        "args": {},
        "data": request.body.decode("utf-8", "replace"),
        "headers": dict(request.fields),
        "json": json.loads(request.body or b"null"),
        "url": request.target,
    }


def _answer(request, host, path):
    if host == "api.github.com" and path == "/":
        return _json(200, {"current_user_url": "https://api.github.com/user"})
    if host == "httpbin.org" and path == "/post" and request.method == "POST":
        return _json(200, _echo(request), indent=2)
    if host == "api.example.com" and path == "/data" and request.method == "GET":
        return _json(200, DATA)
    if host == "api.example.com" and path == "/submit" and request.method == "POST":
        return _json(201, {"accepted": json.loads(request.body)})
    return _json(404, {"error": f"no {request.method} {path} at {host}"})


def handle(conn):
    while request := conn.read_request():
        target = urlsplit(request.target)
        status, fields, body = _answer(request, request.get("host"), target.path or "/")
        head = [
            f"HTTP/1.1 {status} Status",
            *(f"{n}: {v}" for n, v in fields),
            f"Content-Length: {len(body)}",
            "",
            "",
        ]
        conn.send("\r\n".join(head).encode() + body)
        if (request.get("connection") or "").lower() == "close":
            return


class Services(RawOrigin):
    def __init__(self):
        super().__init__(handle)

    @property
    def settings(self):
        """The settings that lead hark here instead of to the real hosts."""
        return [f"connect_to={host}:80:127.0.0.1:{self.port}" for host in HOSTS]


class SecureServices(TlsOrigin):
    """The same behind TLS, with certificates that `pki` has issued."""

    def __init__(self, pki):
        names = ",".join(f"DNS:{host}" for host in HOSTS)
        pair = pki.issue("services", pki.root, names=names)
        self.ca_file = pki.root.certificate
        super().__init__(pair.server_context(), handle)

    @property
    def settings(self):
        """The settings that lead hark here, for https; and let it trust these certificates."""
        leads = [f"connect_to={host}:443:127.0.0.1:{self.port}" for host in HOSTS]
        return [*leads, f"upstream_ca_file={self.ca_file}"]
