# SPDX-License-Identifier: MIT
"""The files of programs/https, programs as their users wrote them with their https:// addresses: each is
recorded in a session of its own beside one daemon, and then answered from the recording."""

import contextlib
import json

import pytest

from .daemon import Daemon, fields_of
from .programs import PROGRAMS, command
from .running import Running, Summary
from .services import DATA, SecureServices, Services

HOP_BY_HOP = {"connection", "proxy-connection", "keep-alive", "te", "upgrade"}
PAYLOAD = {"name": "hark", "note": "grüße"}


def run_under_hark(hark, words, home, java=False):
    """(exit status, standard output, standard error)"""
    ran = Running(hark.data_dir, home, *words, java=java, env={"LANG": "C.UTF-8"})
    try:
        return ran.finish(seconds=60)
    finally:
        ran.close()


class Run:
    """One program under hark run, with what it printed and the rows of its session."""

    def __init__(self, hark, words, home, java=False):
        self.words = words
        self.status, self.output, self.stderr = run_under_hark(hark, words, home, java)
        self.lines = self.output.splitlines()
        self.summary = Summary(self.stderr)
        self.rows = hark.sql("SELECT * FROM exchange WHERE session_id = ? ORDER BY id", self.summary.session)


class Zoo:
    """One daemon for `programs`, with the origins that they ask; `java` where they are Java's."""

    def __init__(self, folder, pki, programs, java=False):
        self.folder, self.programs, self.java = folder, programs, java
        self.origins = {"https": SecureServices(pki), "http": Services()}
        settings = [word for origin in self.origins.values() for word in origin.settings]
        self.hark = Daemon(folder / "recorder", settings=settings)
        self.player = None
        self.runs = {}

    def record(self, program, scheme="https"):
        """The program's run, made once; its `upstream` is what reached the origin."""
        if (program, scheme) not in self.runs:
            folder = self.folder / f"{scheme}-{program}"
            folder.mkdir(exist_ok=True)
            words = command(self._source(program, scheme, folder), folder)
            assert self.player is None, f"{program} could not be recorded"
            requests = self.origins[scheme].requests
            before = len(requests)
            run = Run(self.hark, words, folder / "home", self.java)
            run.upstream = requests[before:]
            self.runs[program, scheme] = run
        return self.runs[program, scheme]

    def _source(self, program, scheme, folder):
        source = PROGRAMS / "https" / program
        if scheme == "https":
            return source
        text = source.read_text().replace("https://", "http://").replace("'https'", "'http'")
        plain = folder / program
        plain.write_text(text)
        return plain

    def play(self, run, home):
        """The run once more, from the recording of all; the origins are gone, no name is resolved."""
        if self.player is None:
            for program in self.programs:
                with contextlib.suppress(AssertionError, pytest.skip.Exception):
                    self.record(program)
            self._end_recording()
            self.player = Daemon(self.folder / "player", "--mode", "playback", data_dir=self.hark.data_dir)
        return run_under_hark(self.player, run.words, home, self.java)

    def _end_recording(self):
        self.hark.close()
        for origin in self.origins.values():
            origin.stop()
        self.origins = {}

    def close(self):
        self._end_recording()
        if self.player:
            self.player.close()


def end_to_end(fields):
    return [(name, value) for name, value in fields if name.lower() not in HOP_BY_HOP]


def assert_recorded(hark, row, upstream, scheme, path):
    """The row says what reached the origin, and that it went well."""
    assert (row["scheme"], row["host"], row["path"]) == (scheme, "api.example.com", path)
    assert row["port"] == {"https": 443, "http": 80}[scheme]
    assert (row["kind"], row["state"], row["error"]) == ("http", "done", None)
    assert row["method"] == upstream.method
    assert end_to_end(fields_of(row, "request_headers")) == end_to_end(upstream.fields)
    assert hark.body(row["id"], "request") == upstream.body


def assert_get_and_post(hark, ran, scheme):
    assert ran.status == 0, ran.stderr
    assert ran.lines[0] == "200" and json.loads(ran.lines[1]) == DATA
    assert ran.lines[2] == "201" and json.loads(ran.lines[3]) == {"accepted": PAYLOAD}
    assert (ran.summary.count, ran.summary.errors) == (2, 0), ran.stderr
    assert [(row["method"], row["status"]) for row in ran.rows] == [("GET", 200), ("POST", 201)]
    assert len(ran.upstream) == 2
    for row, request, path in zip(ran.rows, ran.upstream, ("/data", "/submit")):
        assert_recorded(hark, row, request, scheme, path)
    assert json.loads(hark.body(ran.rows[0]["id"], "response")) == DATA
    assert json.loads(hark.body(ran.rows[1]["id"], "request")) == PAYLOAD
    if scheme == "https":
        assert ran.rows[0]["tls_version"].startswith("TLS") and ran.rows[0]["server_cert"]


def assert_plays_back(zoo, program, home):
    """What it prints is the same, byte for byte."""
    recorded = zoo.record(program)
    assert recorded.status == 0, recorded.stderr
    assert recorded.output.startswith("200\n")
    status, output, stderr = zoo.play(recorded, home)
    assert (status, output) == (0, recorded.output), stderr
    assert f"hark: played back {recorded.summary.count} exchange" in stderr
