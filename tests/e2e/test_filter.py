# SPDX-License-Identifier: MIT
"""Filters over real traffic: bodies in every coding and character set, and the manual's examples."""

import gzip
import re
import zlib
from pathlib import Path

import brotli
import pytest
import zstandard
from harness import Daemon, RawClient, RawOrigin, run_hark

MANUAL = Path(__file__).resolve().parents[2] / "docs" / "filter.md"
TEXT = "one needle in the café"

# path: body, media type, content coding
ANSWERS = {
    "/plain": (TEXT.encode(), "text/plain; charset=utf-8", None),
    "/gzip": (gzip.compress(TEXT.encode()), "text/plain", "gzip"),
    "/deflate": (zlib.compress(TEXT.encode()), "text/plain", "deflate"),
    "/br": (brotli.compress(TEXT.encode()), "text/plain", "br"),
    "/zstd": (zstandard.compress(TEXT.encode()), "text/plain", "zstd"),
    "/latin1": (TEXT.encode("latin-1"), "text/plain; charset=iso-8859-1", None),
    "/unnamed": (TEXT.encode("latin-1"), "text/plain", None),
    "/utf16": (TEXT.encode("utf-16"), "text/plain; charset=utf-16", None),
    "/other": (b"hay", "application/json", None),
}


def serve(conn):
    while request := conn.read_request():
        body, kind, coding = ANSWERS[request.target]
        fields = [f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
        fields += [f"Content-Encoding: {coding}"] if coding else []
        conn.send("\r\n".join(["HTTP/1.1 200 OK", *fields, "", ""]).encode() + body)


class Recording:
    def __init__(self, home):
        with RawOrigin(serve) as origin, Daemon(home) as hark:
            self.home, self.data_dir = hark.home, hark.data_dir
            with RawClient(hark.proxy_port) as peer:
                for path in ANSWERS:
                    head = f"POST {origin.url}{path} HTTP/1.1\r\nHost: {origin.host}\r\n"
                    peer.ask(f"{head}Content-Length: 8\r\n\r\nQuestion".encode(), method="POST")
            hark.wait_rows("1", count=len(ANSWERS))

    def cli(self, command, *args):
        return run_hark(command, "--data-dir", self.data_dir, *args, home=self.home)

    def paths(self, *words):
        done = self.cli("ls", "-n", "0", "-o", "tsv", *words)
        assert done.returncode in (0, 3), done.stderr
        names = list(ANSWERS)
        return [names[int(line.split("\t")[0]) - 1] for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return Recording(tmp_path_factory.mktemp("filter"))


@pytest.mark.parametrize("word", ["body:needle", "resbody:NEEDLE", "body:café", 'body:"the café"'])
def test_bodies_are_searched_decoded(recording, word):
    assert recording.paths(word) == [path for path in ANSWERS if path != "/other"]


def test_request_and_response_are_told_apart(recording):
    assert recording.paths("reqbody:question") == list(ANSWERS)
    assert recording.paths("resbody:question") == []
    assert recording.paths("reqbody:question", "-body:needle") == ["/other"]


def test_words_of_headers_and_types(recording):
    assert recording.paths("header:content-encoding") == ["/gzip", "/deflate", "/br", "/zstd"]
    assert recording.paths("header:content-encoding=z") == ["/gzip", "/zstd"]
    assert recording.paths("type:json") == ["/other"]
    assert recording.paths("since:1h", "path:/g*") == ["/gzip"]


def test_negated_word_keeps_its_column(recording):
    done = recording.cli("ls", "type:json", "-stauts:500")
    assert done.returncode == 2
    assert 'filter: column 12: unknown key "stauts"' in done.stderr
    assert 'did you mean "status:"?' in done.stderr


def test_stats_count_by_host_and_status(recording):
    done = recording.cli("stats", "-o", "tsv")
    row = done.stdout.rstrip("\n").split("\t")
    received = sum(len(body) for body, _, _ in ANSWERS.values())
    count = len(ANSWERS)
    assert row[:6] == ["127.0.0.1", "200", str(count), "0", str(8 * count), str(received)]
    assert all(float(ms) > 0 for ms in row[6:9])
    assert recording.cli("stats", "status:500").returncode == 3
    assert recording.cli("stats", "stats:500").returncode == 2


def manual_examples():
    """What stands in the last column of the tables, and behind `hark ls` and `hark stats`."""
    text = MANUAL.read_text()
    for line in text.splitlines():
        if line.startswith("| `"):
            yield from re.findall(r"`([^`]+)`", line.split(" | ")[-1])
            key = re.match(r"\| `([a-z]+:[a-z]*)`", line)[1]
            if key.startswith("is:"):
                yield key
    yield from re.findall(r"^hark (?:ls|stats) '?(.*?)'?$", text, re.M)


@pytest.mark.parametrize("example", sorted(set(manual_examples())))
def test_example_of_the_manual_is_understood(recording, example):
    done = recording.cli("ls", "--", example)
    assert done.returncode in (0, 3), done.stderr


def test_manual_has_every_key(recording):
    """The program's own list of keys is in its help."""
    told = set(re.findall(r"([a-z]+):", " ".join(manual_examples())))
    helped = run_hark("ls", "--help", home=recording.home).stdout
    assert set(re.findall(r"\b([a-z]+):(?=\S)", helped)) - {"http"} <= told | {"is"}
