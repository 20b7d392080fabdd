# SPDX-License-Identifier: MIT
"""Recording requests and sending them again with hark replay."""

import json


def request(url, method="GET", version="HTTP/1.1", fields=b"", body=b""):
    """A request for `url`, absolute as proxies get it."""
    host = url.split("/")[2]
    lines = b"%s %s %s\r\nHost: %s\r\n" % (
        method.encode(), url.encode("latin-1"), version.encode(), host.encode(),
    )
    return lines + fields + b"\r\n" + body


def with_length(url, body, method="POST", fields=b""):
    return request(url, method, fields=fields + b"Content-Length: %d\r\n" % len(body), body=body)


def record(daemon, client, *requests, method="GET"):
    """Send requests through the daemon, one connection each; their ids, once they are written."""
    ids = []
    for raw in requests:
        peer = client(daemon)
        peer.ask(raw, method=method)
        peer.close()
        ids.append(daemon.row_of(peer)["id"])
    return ids


def replay(daemon, *words, status=0, **options):
    """Run hark replay; its results, as it printed them."""
    done = daemon.cli("replay", "--json", *words, **options)
    assert done.returncode == status, (done.returncode, done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]
