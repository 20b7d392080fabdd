# SPDX-License-Identifier: MIT
"""Programs as their users wrote them, through hark to http:// services.

What a program sends to a proxy is taken from running it once against a bare recording server: that,
and no list in this file, is what the row must hold.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from harness import SCALE
from harness.daemon import clean_environment, fields_of
from harness.services import DATA, Services

PROGRAMS = Path(__file__).parent / "programs"
HOP_BY_HOP = {
    "connection",
    "proxy-connection",
    "keep-alive",
    "te",
    "proxy-authorization",
    "upgrade",
}
API_PROGRAMS = [
    "requests_api.py",
    "http_client_api.py",
    "urllib_api.py",
    "httpx_sync_api.py",
    "httpx_async_api.py",
    "aiohttp_api.py",
    "socket_api.py",
    "curl_api.sh",
    "wget_api.sh",
    "node_api.js",
]
MODULES = {"requests": "requests", "httpx": "httpx", "aiohttp": "aiohttp"}


def command(program):
    """How to start a program; skips the test where its interpreter or library is missing."""
    path = PROGRAMS / program
    if path.suffix == ".py":
        pytest.importorskip(MODULES.get(program.split("_")[0], "json"))
        return [sys.executable, str(path)]
    interpreter = {".js": "node", ".sh": "sh"}[path.suffix]
    for tool in (interpreter, program.split("_")[0]):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    return [interpreter, str(path)]


def run(program, proxy_url, home):
    """Run a program with its proxy set the usual way; returns the lines it prints."""
    home.mkdir(exist_ok=True)
    done = subprocess.run(
        command(program),
        env=clean_environment(home, http_proxy=proxy_url),
        cwd=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30 * SCALE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture
def services():
    with Services() as server:
        yield server


@pytest.fixture
def recorded(daemon, services, tmp_path):
    """recorded(program) runs it twice, against the bare server and through hark, and returns
    (its lines, its requests as sent, the requests upstream, the rows, the daemon)."""

    def record(program):
        with Services() as bare:
            run(program, bare.url, tmp_path / "bare")
            sent = list(bare.requests)
        hark = daemon(settings=services.settings)
        lines = run(program, hark.proxy_url, tmp_path / "through")
        rows = hark.wait_rows("1", count=2)
        return lines, sent, services.requests, rows, hark

    return record


def end_to_end(fields):
    return [(name, value) for name, value in fields if name.lower() not in HOP_BY_HOP]


def assert_recorded_as_sent(hark, row, sent, upstream):
    """Row, the program's own bytes, and what reached the origin say the same."""
    assert row["method"] == sent.method == upstream.method
    assert fields_of(row, "request_headers") == sent.fields
    assert end_to_end(upstream.fields) == end_to_end(sent.fields)
    assert hark.body(row["id"], "request") == sent.body == upstream.body
    assert row["request_size"] == len(sent.body)
    assert (row["state"], row["error"], row["source"], row["kind"]) == (
        "done",
        None,
        "proxy",
        "http",
    )


@pytest.mark.parametrize("program", API_PROGRAMS)
def test_get_and_post_to_an_api(recorded, program):
    lines, sent, upstream, rows, hark = recorded(program)

    assert lines[0] == "200" and json.loads(lines[1]) == DATA
    assert lines[2] == "201"
    payload = {"name": "hark", "note": "grüße"}
    assert json.loads(lines[3]) == {"accepted": payload}

    assert [(row["method"], row["status"]) for row in rows] == [("GET", 200), ("POST", 201)]
    for row, mine, theirs, path in zip(rows, sent, upstream, ("/data", "/submit")):
        assert_recorded_as_sent(hark, row, mine, theirs)
        assert (row["scheme"], row["host"], row["port"]) == ("http", "api.example.com", 80)
        assert (row["path"], row["query"] or "") == (path, "")
        assert theirs.head.start_line == f"{row['method']} {path} HTTP/1.1"
    assert json.loads(hark.body(rows[1]["id"], "request")) == payload
    assert json.loads(hark.body(rows[0]["id"], "response")) == DATA
    assert [row["url"] for row in hark.sql("SELECT url FROM traffic ORDER BY id")] == [
        "http://api.example.com/data",
        "http://api.example.com/submit",
    ]


def test_requests_with_services_known_to_everybody(recorded):
    lines, sent, upstream, rows, hark = recorded("requests_services.py")

    assert lines[0] == "200" and "current_user_url" in lines[1]
    assert lines[2] == "200" and "'json': {'key': 'value'}" in lines[3]
    assert [(r["method"], r["host"], r["path"], r["status"]) for r in rows] == [
        ("GET", "api.github.com", "/", 200),
        ("POST", "httpbin.org", "/post", 200),
    ]
    for row, mine, theirs in zip(rows, sent, upstream):
        assert_recorded_as_sent(hark, row, mine, theirs)
    assert hark.body(rows[1]["id"], "request") == b'{"key": "value"}'
    assert rows[1]["request_type"] == "application/json"
    assert rows[1]["response_type"] == "application/json"


def test_requests_headers_are_the_ones_known_of_requests(recorded):
    """One list by hand, so that the comparison above is itself compared with something."""
    _, _, _, rows, _ = recorded("requests_api.py")
    assert [name for name, _ in fields_of(rows[1], "request_headers")] == [
        "Host",
        "User-Agent",
        "Accept-Encoding",
        "Accept",
        "Connection",
        "Content-Type",
        "Content-Length",
    ]


@pytest.mark.parametrize("program", ["requests_api.py", "curl_api.sh"])
def test_show_prints_what_was_recorded(recorded, program):
    _, sent, _, rows, hark = recorded(program)
    shown = hark.cli("show", rows[1]["id"])
    assert shown.returncode == 0, shown.stderr
    assert "POST" in shown.stdout and "http://api.example.com/submit" in shown.stdout
    for name, value in sent[1].fields:
        assert f"{name}: {value}" in shown.stdout
    assert hark.cli("show", rows[1]["id"], "--request-body", text=False).stdout == sent[1].body
