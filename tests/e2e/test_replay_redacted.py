# SPDX-License-Identifier: MIT
"""hark replay of what was redacted: marks do not go out as if they were the values."""

import json
import re

import pytest
from harness.api import Api
from harness.origin import OK

RULES = ["redact_headers=Authorization", "redact_query=token", "redact_json=password"]
MARK = r"redacted:[0-9a-f]{16}"


def post(server, body):
    return (f"POST {server.url}/account HTTP/1.1\r\nHost: {server.host}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode()


class Recorded:
    """Three exchanges: a plain one, one with two marks in its head, one with a mark in its body."""

    def __init__(self, hark, server, client):
        self.hark, self.server = hark, server
        peer = client(hark)
        peer.ask(f"GET {server.url}/plain HTTP/1.1\r\nHost: {server.host}\r\n\r\n".encode())
        peer.ask(f"GET {server.url}/mine?token=secret-a&page=1 HTTP/1.1\r\nHost: {server.host}\r\n"
                 "Authorization: Bearer secret-b\r\n\r\n".encode())
        peer.ask(post(server, json.dumps({"pad": "x" * 300_000, "password": "secret-c"})))
        hark.rows_of(peer, count=3)
        server.requests.clear()

    def replay(self, *words, status=0):
        done = self.hark.cli("replay", "--json", *words)
        assert done.returncode == status, (done.returncode, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


@pytest.fixture(params=["with-daemon", "without-daemon"])
def recorded(request, daemon, origin, client):
    hark = daemon(ui="127.0.0.1:0", settings=RULES)
    recorded = Recorded(hark, origin(OK), client)
    if request.param == "without-daemon":
        hark.stop()
    return recorded


def test_marks_are_named_and_not_sent(recorded):
    results, said = recorded.replay("1..3", status=1)
    results.sort(key=lambda row: row["replay_of"])
    assert [(row["state"], row["error"]) for row in results] == [
        ("done", None), ("skipped", "redacted"), ("skipped", "redacted")]
    assert results[1]["error_text"].endswith(": parameter token, Authorization")
    assert results[2]["error_text"].endswith(": body")
    assert [request.target for request in recorded.server.requests] == ["/plain"]
    assert "2 is not sent: " in said and "3 is not sent: " in said
    for mend in ("--set-header", "--set-query", "--drop-header", "--send-redacted"):
        assert mend in said
    assert all(len(line) <= 80 for line in said.splitlines() if "--" in line)


def test_values_can_be_given_anew(recorded):
    results, said = recorded.replay("2", "--set-header", "Authorization: Bearer new", "--set-query", "token=n")
    assert results[0]["status"] == 200 and "--send-redacted" not in said
    sent = recorded.server.requests[0]
    assert (sent.target, sent.get("authorization")) == ("/mine?token=n&page=1", "Bearer new")


def test_what_is_left_is_still_named(recorded):
    results, _ = recorded.replay("2", "--drop-header", "authorization", status=1)
    assert results[0]["error_text"].endswith(": parameter token")
    assert recorded.server.requests == []


def test_marks_are_sent_by_who_wants_it(recorded):
    results, _ = recorded.replay("2..3", "--send-redacted")
    assert [row["status"] for row in results] == [200, 200]
    head, body = recorded.server.requests
    assert re.fullmatch(rf"/mine\?token={MARK}&page=1", head.target)
    assert re.fullmatch(f"Bearer {MARK}", head.get("authorization"))
    assert re.fullmatch(MARK, json.loads(body.body)["password"])


def test_over_the_api(daemon, origin, client):
    recorded = Recorded(daemon(ui="127.0.0.1:0", settings=RULES), origin(OK), client)
    api = Api(recorded.hark)
    skipped = api.ask("/api/v1/replay", "POST", body={"ids": [2]})
    assert json.loads(skipped.body)["error"] == "redacted"
    sent = api.ask("/api/v1/replay", "POST", body={"ids": [2], "send_redacted": True})
    assert json.loads(sent.body)["status"] == 200
    assert api.ask("/api/v1/replay", "POST", body={"ids": [2], "send_redacted": 1}).status == 400
