# SPDX-License-Identifier: MIT
"""The API's comparison of two exchanges; test_diff.py has what is told when."""

import json

import pytest
from harness.api import Api, assert_problem
from harness.conformance import fill

DAEMON = {"ui": "127.0.0.1:0"}
GET = b"GET {url}/x HTTP/1.1\r\nHost: {host}\r\n\r\n"


@pytest.fixture
def api(hark):
    return Api(hark)


@pytest.fixture
def record(hark, origin, client):
    """record(value) → the id of an exchange that was answered with this JSON."""

    def once(value):
        body = json.dumps(value).encode()
        answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        peer = client(hark)
        peer.ask(fill(GET, origin(answer % len(body) + body)))
        return hark.row_of(peer)["id"]

    return once


def test_differences(api, record):
    a, b = record({"x": [1, 2], "y": 1}), record({"y": 1, "x": [1, 3]})
    assert api.ask(f"/api/v1/diff?a={a}&b={b}").json == {"same": False, "differences": [
        {"side": "response", "where": "body", "path": "$.x[1]", "kind": "changed", "old": 2, "new": 3}]}
    told = api.ask(f"/api/v1/diff?a={a}&b={b}&request=1").json["differences"]
    assert {one["where"] for one in told if one["side"] == "request"} == {"url", "header"}


def test_same(api, record):
    a, b = record({"x": 1, "y": 2}), record({"y": 2, "x": 1})
    assert api.ask(f"/api/v1/diff?a={a}&b={b}").json == {"same": True, "differences": []}
    assert api.ask(f"/api/v1/diff?a={a}&b={b}&all_headers=1").json["same"]


def test_headers_that_the_configuration_ignores(daemon, origin, client):
    hark = daemon(ui="127.0.0.1:0", settings=["diff_ignore_headers=X-Number"])
    api, peer, numbers = Api(hark), client(hark), iter((b"1", b"2"))

    def answer(conn):
        while conn.read_request():
            conn.send(b"HTTP/1.1 200 OK\r\nX-Number: %s\r\nContent-Length: 0\r\n\r\n" % next(numbers))

    server = origin(answer)
    for _ in range(2):
        peer.ask(fill(GET, server))
    a, b = (row["id"] for row in hark.wait_rows("state = 'done'", count=2))
    assert api.ask(f"/api/v1/diff?a={a}&b={b}").json["same"]
    assert not api.ask(f"/api/v1/diff?a={a}&b={b}&all_headers=1").json["same"]


def test_many_differences_are_streamed_whole(api, record):
    a, b = record(list(range(20000))), record([-1 - n for n in range(20000)])
    told = api.ask(f"/api/v1/diff?a={a}&b={b}").json
    assert len(told["differences"]) == 20000 and not told["same"]
    assert told["differences"][-1]["path"] == "$[19999]"


@pytest.mark.parametrize(("query", "status"), [
    ("", 400), ("?a=1", 400), ("?a=1&b=x", 400), ("?a=0&b=1", 400), ("?a=1&b=1&c=1", 400),
    ("?a=1&b=1&request=maybe", 400), ("?a=1&b=999999", 404)])
def test_problems(api, record, query, status):
    record(1)
    assert_problem(api.ask(f"/api/v1/diff{query}"), status)
