# SPDX-License-Identifier: MIT
"""hark prune through a daemon says on a terminal how far it is, and what went wrong on the way."""

import json
import re

import pytest
from harness.api import Api
from harness.origin import OK
from harness.recording import changing, held, multiply
from harness.terminal import OnTerminal

MANY = 1500  # more than the daemon takes at once


@pytest.fixture
def many(daemon, origin, client):
    """A daemon that has recorded the same exchange very often."""
    hark, server = daemon(ui="127.0.0.1:0"), origin(OK)
    peer = client(hark)
    peer.ask(f"GET {server.url}/ HTTP/1.1\r\nHost: {server.host}\r\n\r\n".encode())
    hark.rows_of(peer)
    hark.stop()
    multiply(hark, MANY)
    hark.start()
    return hark


def test_count_goes_up_and_the_line_goes_away(many):
    with held(many):
        run = OnTerminal(many, "prune", "id:1..")
        run.wait_for("hark prune: 0 exchanges deleted, [0-9]+ s")
    run.wait_for("hark prune: 1024 exchanges deleted, [0-9]+ s")
    assert run.end() == 0
    last = run.text.split("\r\x1b[K")[-1]
    assert last.startswith(f"hark prune: deleted {MANY} exchanges, ")
    assert many.value("SELECT count(*) FROM exchange") == 0


def test_failure_on_the_way_is_told(many):
    with changing(many) as connection, connection:
        connection.execute("CREATE TRIGGER stop BEFORE DELETE ON exchange WHEN old.id = 1400"
                           " BEGIN SELECT RAISE(ABORT, 'not this one'); END")
    with held(many):
        run = OnTerminal(many, "prune", "id:1..")
        run.wait_for("hark prune: 0 exchanges deleted")
    assert run.end() == 1
    last = run.text.split("\r\x1b[K")[-1]
    assert re.match("hark prune: 1[0-9]{3} exchanges were, then: .*not this one", last)


def test_who_is_no_terminal_gets_the_result_alone(many):
    done = many.cli("prune", "id:1..", "--json")
    assert json.loads(done.stdout)["exchanges"] == MANY
    assert done.stderr == ""


def test_lines_of_the_api_end_with_the_result(many):
    answer = Api(many).ask("/api/v1/exchanges", "DELETE", filter="id:1..", progress=1)
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert (answer.status, answer.get("content-type")) == (200, "application/jsonl")
    assert lines[-1]["exchanges"] == MANY
    assert [line["exchanges"] for line in lines] == sorted(line["exchanges"] for line in lines)
