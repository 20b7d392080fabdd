# SPDX-License-Identifier: MIT
"""What stands in the log about an exchange: its number, and nothing that is a secret."""

import json
import re

from harness.conformance import fill

SECRET = "s3cr3t-value"
ASK = (
    "GET {url}/x?token=s3cr3t-value HTTP/1.1\r\nHost: {host}\r\n"
    "Authorization: Bearer s3cr3t-value\r\nCookie: a=s3cr3t-value\r\n\r\n"
).encode()


def dead(text):
    return text.replace(b"{url}", b"http://127.0.0.1:1").replace(b"{host}", b"127.0.0.1:1")


def test_debug_lines_bear_the_number_and_no_secret(daemon, origin, client):
    hark, server = daemon(settings=["log_level=debug"]), origin()
    assert client(hark).ask(fill(ASK, server)).status == 200
    assert client(hark).ask(dead(ASK)).status == 502
    hark.stop()
    assert SECRET not in hark.stderr
    about = [line for line in hark.lines if " exchange: " in line]
    assert about and all(re.search(r" exchange: #\d+ ", line) for line in about)


def test_every_line_is_json_where_that_is_wanted(daemon, origin, client):
    hark, server = daemon(settings=["log_level=debug", "log_format=json"]), origin()
    assert client(hark).ask(fill(ASK, server)).status == 200
    client(hark).ask(b"GET http://127.0.0.1:1/\xff\x1b[31m\x85 HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n")
    hark.stop()
    lines = [json.loads(line) for line in hark.lines if not line.startswith("hark: ready")]
    assert lines and all({"time", "level", "part", "message"} <= set(line) for line in lines)


def test_a_miss_bears_the_number_and_no_query(daemon, origin, client):
    hark, server = daemon(), origin()
    assert client(hark).ask(fill(b"GET {url}/kept HTTP/1.1\r\nHost: {host}\r\n\r\n", server)).status == 200
    hark.wait_rows("status = 200", count=1)
    hark.stop()
    player = daemon("--db", str(hark.db), "--mode", "playback")
    assert client(player).ask(dead(ASK)).status == 504
    line = player.wait_log(r"playback: #\d+ miss: GET http://127.0.0.1:1/x: ").string
    assert SECRET not in line.split(": ", 3)[2]
