# SPDX-License-Identifier: MIT
"""A recording that was redacted, played back by a hark that is not told the names: the miss says so."""

import re

import pytest
from harness.conformance import fill
from harness.echo import Echo
from test_redact import BODIES, ask, post, say, websockets

FORM = "application/x-www-form-urlencoded"
MATCH = "playback_match=method host port path query body header:Authorization"
GET = b"GET {url}/b?%s HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer %s\r\n\r\n"


@pytest.fixture
def miss(daemon, origin, client):
    """miss(make, recorded, played) records make(server, "secret-1") with the settings `recorded`, asks
    for the same with another secret with the settings `played`, and gives why that is a miss."""

    def once(make, recorded, played):
        server = origin()
        recorder = daemon(settings=recorded)
        assert ask(recorder, client, make(server, b"secret-1")).status == 200
        recorder.wait_row("status = 200")
        recorder.stop()
        player = daemon("--db", recorder.db, "--mode", "playback", settings=[MATCH, *played])
        answer = ask(player, client, make(server, b"secret-2"))
        assert answer.head.get("hark-error") == "playback-miss"
        player.wait_log("miss")
        assert "secret-" not in player.stderr
        said = re.search(r"hark: playback-miss: (.*)", answer.body.decode())[1]
        assert "secret-" not in said
        return said

    return once


def by_query(server, secret):
    return fill(GET % (b"x=1&token=" + secret, b"me"), server)


def by_field(server, secret):
    return fill(GET % (b"x=1", secret), server)


def by_json(server, secret):
    return post(server, b'{"user": {"password": "%s"}}' % secret, "application/json")


def by_form(server, secret):
    return post(server, b"x=1&password=" + secret + b"2", FORM)


@pytest.mark.parametrize(("make", "key", "place"), [
    (by_query, "redact_query=token", "the query parameter token (redacted there, not here)"),
    (by_field, "redact_headers=Authorization", "the header Authorization (redacted there, not here)"),
    (by_json, "redact_json=password", "the body at $.user.password (redacted there, not here)"),
    (by_form, "redact_form=password", "the form field password (redacted there, not here)"),
])
def test_miss_names_the_key_that_is_not_set(miss, make, key, place):
    said = miss(make, [key], [])
    assert place in said
    assert said.endswith(f"; set {key.split('=')[0]} as it was when this was recorded")


def test_names_that_are_set_are_equal_and_only_the_others_are_told(miss):
    def make(server, secret):
        return fill(GET % (b"api_key=" + secret + b"&token=" + secret, b"me"), server)

    said = miss(make, ["redact_query=token api_key"], ["redact_query=token"])
    assert "the query parameter api_key (redacted" in said
    assert "parameter token" not in said


def test_body_that_is_redacted_on_both_sides_is_compared_by_its_fields(miss):
    def make(server, secret):
        number = secret[-1:]
        return post(server, b'{"password": "%s", "n": %s}' % (secret, number), "application/json")

    said = miss(make, ["redact_json=password"], ["redact_json=password"])
    assert 'the body at $.n ("2" here, "1" there)' in said
    assert "redact" not in said


def test_message_of_a_websocket(daemon):
    recorder, echo = daemon(settings=BODIES), Echo()
    say(recorder, echo.port, "secret-1", None)
    echo.close()
    recorder.wait_row("kind = 'websocket'")
    recorder.stop()
    player = daemon("--db", recorder.db, "--mode", "playback")
    with pytest.raises(websockets.ConnectionClosed):
        say(player, echo.port, "secret-1", None)
    player.wait_log("which was redacted; set redact_json as it was then")
