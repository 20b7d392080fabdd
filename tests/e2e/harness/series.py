# SPDX-License-Identifier: MIT
"""Exchanges that are told apart by their paths: /0, /1, /2…"""

from .conformance import fill

GET = b"GET {url}%s HTTP/1.1\r\nHost: {host}\r\n\r\n"


def record_series(hark, server, client, count, first=0):
    peer = client(hark)
    for number in range(first, first + count):
        peer.ask(fill(GET % f"/{number}".encode(), server))
    hark.rows_of(peer, count=count)


def paths(hark):
    """Of what is in the recording, oldest first."""
    return [row["path"] for row in hark.sql("SELECT path FROM exchange ORDER BY id")]
