# SPDX-License-Identifier: MIT
"""What the conformance tests share: cases, the shape of a refusal, and the known deviations.

A case is named for the line of the conformance list it belongs to, e.g. "01-cl-with-te".
"""

import re
from functools import lru_cache

import pytest

from .daemon import run_hark
from .message import Aborted

REFUSED = "refused: 400, Connection: close, a row"
# What the installed libmicrohttpd makes impossible. Key: the case, or the line it belongs to, with
# "later-" for requests that are not the first of their connection (hark itself reads only the head
# of the first one before the library does). Value: what may happen with libmicrohttpd below 1.0,
# and what must happen from 1.0 on. What may happen is looser: a refusal is always right, too.
DEVIATIONS = {
    "07-trailing-space": ("refused: the library takes only the bare word for chunked", "chunked"),
    "07-trailing-tab": ("refused: the library takes only the bare word for chunked", "chunked"),
    "19": ("a bare LF ends a chunk's line; what goes upstream is well-formed", REFUSED),
    "later-02-differing-list": (
        "refused, but the library sends the head of its answer twice",
        REFUSED,
    ),
    "later-04": ("refused, but the library sends the head of its answer twice", REFUSED),
    "later-10": ("the folded line is glued onto the name; upstream it is well-formed", REFUSED),
    "later-13": ("the line is cut at the NUL; upstream it is well-formed", REFUSED),
    "later-16-empty": ("the field is dropped", REFUSED),
}


@lru_cache(maxsize=None)
def has_strict_parser(home):
    """Whether this hark runs on libmicrohttpd 1.0 or later, as `hark version` tells."""
    text = run_hark("version", home=home).stdout
    found = re.search(r"libmicrohttpd\D*(\d+)\.", text)
    assert found, f"hark version does not name libmicrohttpd: {text}"
    return int(found[1]) >= 1


def deviation(daemon, case, position="first"):
    """The documented deviation that holds for this case with the installed library, or None."""
    prefix = "" if position == "first" else "later-"
    known = DEVIATIONS.get(prefix + case) or DEVIATIONS.get(prefix + case[:2])
    return None if known is None or has_strict_parser(str(daemon.home)) else known[0]


def cases(**named):
    """Parametrise over `case` (its name) and `given`; names are written l01_cl_with_te=…"""
    ids = [name[1:].replace("_", "-") for name in named]
    return pytest.mark.parametrize("case,given", list(zip(ids, named.values())), ids=ids)


def named(**given):
    """Parametrise over `given`, each with its name."""
    return pytest.mark.parametrize("given", list(given.values()), ids=list(given))


def fill(raw, origin):
    """Put the origin's address in the place of {url}, {host} and {port}."""
    for name in ("url", "host", "port"):
        raw = raw.replace(b"{%s}" % name.encode(), str(getattr(origin, name)).encode())
    return raw


POSITIONS = ("first", "second", "pipelined")
GOOD = b"GET {url}/good HTTP/1.1\r\nHost: {host}\r\n\r\n"


def send_at(peer, origin, raw, position):
    """Send raw as the first request of its connection, as the second after an answered one, or in
    one write behind a good one; returns its response."""
    raw = fill(raw, origin)
    good = fill(GOOD, origin) if position != "first" else b""
    if position == "second":
        assert peer.ask(good).status == 200
        return peer.ask(raw)
    peer.send(good + raw)
    assert not good or peer.response().status == 200
    return peer.response()


def send_refused(hark, client, origin, raw, status=(400,), position="first", closes_clean=True):
    """Send raw and insist on a refusal: the status, a closed connection, nothing sent to the
    origin, and a row that says why. Returns (response, row)."""
    peer = client(hark)
    response = send_at(peer, origin, raw, position)
    assert response.status in status, response
    assert response.closes, f"no Connection: close in {response.head.fields}"
    assert response.complete
    if closes_clean:
        peer.assert_closed()
    answered = 0 if position == "first" else 1
    row = assert_bad_request_row(hark, peer, count=answered + 1)
    assert row["status"] == response.status, dict(row)
    assert len(origin.requests) == answered
    assert origin.received.count(b"\r\n\r\n") == answered
    return response, row


def is_refused(hark, client, origin, raw):
    """Send raw, which may be refused as send_refused() has it, or be answered with 200."""
    peer = client(hark)
    response = peer.ask(fill(raw, origin))
    if response.status == 200:
        return False
    assert response.status == 400 and response.closes
    peer.assert_closed()
    assert_bad_request_row(hark, peer)
    assert origin.received == b""
    return True


def assert_bad_request_row(hark, peer, count=1):
    row = hark.rows_of(peer, count=count, seconds=2)[-1]
    assert row["error"] == "bad-request", dict(row)
    assert row["error_text"], dict(row)
    return row


def answer_or_abort(peer, **options):
    """The response, or None if the proxy closed without one."""
    try:
        return peer.response(**options)
    except Aborted:
        return None


def assert_well_formed(raw):
    """What the proxy sent upstream: CRLF line ends, clean names and values, one framing."""
    head, mark, _ = raw.partition(b"\r\n\r\n")
    assert mark, raw
    lines = head.split(b"\r\n")
    assert re.fullmatch(
        rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [\x21-\x7e\x80-\xff]+ HTTP/1\.1", lines[0]
    ), lines[0]
    names = []
    for line in lines[1:]:
        assert re.fullmatch(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*", line), line
        names.append(line.split(b":")[0].lower())
    for single in (b"host", b"content-length", b"transfer-encoding"):
        assert names.count(single) <= 1, names
    assert not (b"content-length" in names and b"transfer-encoding" in names), names
