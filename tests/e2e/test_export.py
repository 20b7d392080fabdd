# SPDX-License-Identifier: MIT
"""hark export: HAR, curl commands that are run in real shells, JSON lines; what is masked."""

import base64
import gzip
import json
import os
import shutil
import subprocess
import urllib.request
from pathlib import Path

import jsonschema
import pytest
from harness import Daemon, RawClient, RawOrigin
from harness.daemon import clean_environment, run_hark
from harness.nginx import free_port

SCHEMAS = {
    schema["$id"]: schema
    for schema in map(
        json.loads, (p.read_text() for p in (Path(__file__).parent / "har_schema").glob("*.json"))
    )
}
TEXT = "grüße, welt\n" * 50
BINARY = bytes(range(256)) * 3
SHELLS = [shell for shell in ("dash", "bash", "zsh") if shutil.which(shell)]


def answer(body=b"ok", kind="text/plain", status="200 OK", fields=()):
    head = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", *fields]
    return "\r\n".join([*head, f"Content-Length: {len(body)}", "", ""]).encode() + body


ANSWERS = {
    "/gzip": answer(gzip.compress(TEXT.encode(), mtime=0), fields=["Content-Encoding: gzip"]),
    "/bad-gzip": answer(b"this is no gzip", fields=["Content-Encoding: gzip"]),
    "/binary": answer(BINARY, "image/png"),
    "/latin1": answer("grüße".encode("latin-1"), "text/plain; charset=iso-8859-1"),
    "/empty": answer(b""),
    "/login": answer(
        fields=[
            "Set-Cookie: id=s3cret; Path=/; Expires=Wed, 21 Oct 2037 07:28:00 GMT; HttpOnly; Secure",
            "Set-Cookie: b=s3cret; SameSite=Lax",
            "Location: /next?code=s3cret&state=1",
        ],
        status="302 Found",
    ),
    "/trailers": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-End: 1\r\n\r\n",
    "/early": b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + answer(),
}


def serve(conn):
    while request := conn.read_request():
        conn.send(ANSWERS.get(request.target.partition("?")[0], answer()))


# method, path and query, header fields after Host, body
ASKED = [
    ("GET", "/gzip", ["Accept-Encoding: gzip"], b""),
    ("GET", "/bad-gzip", [], b""),
    ("GET", "/binary?a=1&b=x%20y+z&flag&%C3%BC=%ff", [], b""),
    ("GET", "/latin1", ["X-Name: caf\xe9"], b""),
    ("HEAD", "/empty", [], b""),
    (
        "GET",
        "/login?token=s3cret&user=ann",
        [
            "Authorization: Bearer s3cret",
            "Cookie: id=s3cret; theme=s3cret",
            "X-Api-Key: s3cret",
            "Referer: http://u:s3cret@h/?password=s3cret",
        ],
        b"",
    ),
    ("GET", "/trailers", [], b""),
    ("GET", "/early", [], b""),
    ("POST", "/form", ["Content-Type: application/x-www-form-urlencoded"], b"a=1&b=%C3%BC+x"),
    ("PUT", "/blob", ["Content-Type: application/octet-stream"], BINARY),
]


def request_bytes(host, method, target, fields, body):
    lines = [f"{method} http://{host}{target} HTTP/1.1", f"Host: {host}", *fields]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


class Recording:
    """A data folder with the exchanges above and one that failed, after its daemon has stopped."""

    def __init__(self, home):
        with RawOrigin(serve) as origin, Daemon(home) as hark:
            self.home, self.data_dir, self.origin = hark.home, hark.data_dir, origin
            with RawClient(hark.proxy_port) as peer:
                for method, target, fields, body in ASKED:
                    peer.ask(request_bytes(origin.host, method, target, fields, body), method=method)
                dead = f"127.0.0.1:{free_port()}"
                peer.ask(f"GET http://{dead}/dead HTTP/1.1\r\nHost: {dead}\r\n\r\n".encode())
            hark.wait_rows("1", count=len(ASKED) + 1)

    def cli(self, command, *args, **options):
        return run_hark(command, "--data-dir", self.data_dir, *args, home=self.home, **options)

    def export(self, kind, *words):
        done = self.cli("export", "--format", kind, *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def entry(self, path, *words):
        (entry,) = json.loads(self.export("har", f"path:{path}", *words))["log"]["entries"]
        return entry


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return Recording(tmp_path_factory.mktemp("export"))


def assert_is_har(har):
    resolver = jsonschema.RefResolver("har.json", SCHEMAS["har.json#"], store=SCHEMAS)
    jsonschema.Draft6Validator(
        SCHEMAS["har.json#"], resolver=resolver, format_checker=jsonschema.FormatChecker()
    ).validate(har)


# --- HAR ----------------------------------------------------------------------------------------


def test_har_keeps_to_the_schema(recording):
    har = json.loads(recording.export("har"))
    assert_is_har(har)
    assert len(har["log"]["entries"]) == len(ASKED) + 1
    assert har["log"]["version"] == "1.2" and har["log"]["creator"]["name"] == "hark"
    assert [e["_hark"]["id"] for e in har["log"]["entries"]] == list(range(1, len(ASKED) + 2))


def test_the_schema_finds_mistakes(recording):
    har = json.loads(recording.export("har"))
    har["log"]["entries"][0]["response"]["headers"][0]["name"] = 7
    with pytest.raises(jsonschema.ValidationError):
        assert_is_har(har)


def test_har_of_a_compressed_body_has_the_text_and_both_sizes(recording):
    response = recording.entry("/gzip")["response"]
    packed = gzip.compress(TEXT.encode(), mtime=0)
    content = response["content"]
    assert content["text"] == TEXT and "encoding" not in content
    assert content["size"] == len(TEXT.encode())
    assert content["compression"] == len(TEXT.encode()) - len(packed)
    assert content["mimeType"] == "text/plain"
    assert base64.b64decode(content["_wire"]) == packed
    assert response["bodySize"] == len(packed)


def test_har_of_bytes_is_base64(recording):
    content = recording.entry("/binary")["response"]["content"]
    assert content["encoding"] == "base64" and base64.b64decode(content["text"]) == BINARY
    assert "_wire" not in content and content["_chunks"] == [[content["_chunks"][0][0], 768]]
    assert recording.entry("/latin1")["response"]["content"]["encoding"] == "base64"


def test_har_says_what_could_not_be_decoded(recording):
    content = recording.entry("/bad-gzip")["response"]["content"]
    assert "gzip" in content["comment"] and "text" not in content
    assert base64.b64decode(content["_wire"]) == b"this is no gzip"


def test_har_takes_requests_apart(recording):
    request = recording.entry("/binary")["request"]
    assert request["queryString"] == [
        {"name": "a", "value": "1"},
        {"name": "b", "value": "x y z"},
        {"name": "flag", "value": ""},
        {"name": "ü", "value": "ÿ"},
    ]
    assert request["httpVersion"] == "HTTP/1.1" and request["bodySize"] == 0
    form = recording.entry("/form")["request"]["postData"]
    assert form["text"] == "a=1&b=%C3%BC+x"
    assert form["params"] == [{"name": "a", "value": "1"}, {"name": "b", "value": "ü x"}]
    blob = recording.entry("/blob")["request"]["postData"]
    assert blob["encoding"] == "base64" and base64.b64decode(blob["text"]) == BINARY


def test_har_takes_cookies_apart(recording):
    entry = recording.entry("/login", "--include-secrets")
    assert entry["request"]["cookies"] == [
        {"name": "id", "value": "s3cret"},
        {"name": "theme", "value": "s3cret"},
    ]
    assert entry["response"]["cookies"] == [
        {
            "name": "id",
            "value": "s3cret",
            "path": "/",
            "expires": "2037-10-21T07:28:00Z",
            "httpOnly": True,
            "secure": True,
        },
        {"name": "b", "value": "s3cret", "httpOnly": False, "secure": False, "sameSite": "Lax"},
    ]
    assert entry["response"]["redirectURL"] == "/next?code=s3cret&state=1"


def test_har_times_add_up(recording):
    for entry in json.loads(recording.export("har"))["log"]["entries"]:
        timings = entry["timings"]
        known = [v for k, v in timings.items() if k != "ssl" and v >= 0]
        assert entry["time"] == pytest.approx(sum(known), abs=0.001)
        assert all(timings[k] >= 0 for k in ("send", "wait", "receive"))
        assert timings["ssl"] == -1 and timings["blocked"] == -1


def test_har_of_a_failure_and_of_what_has_no_place_in_har(recording):
    failed = recording.entry("/dead")
    assert failed["_hark"]["error"] == "connect" and "_error" in failed["response"]
    assert recording.entry("/trailers")["_hark"]["response_trailers"] == [["X-End", "1"]]
    assert recording.entry("/early")["_hark"]["interim"] == [
        {"status": 103, "headers": [["Link", "</x>"]]}
    ]


# --- secrets ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["har", "curl", "jsonl"])
def test_secrets_are_masked_unless_asked_for(recording, kind):
    masked = recording.export(kind, "path:/login")
    assert "s3cret" not in masked
    assert "Bearer ***" in masked and "token=***&user=ann" in masked and "theme=***" in masked
    shown = recording.export(kind, "path:/login", "--include-secrets")
    assert "s3cret" in shown and "***" not in shown


# --- files and mistakes ---------------------------------------------------------------------------


def test_a_file_is_private_and_replaced_whole(recording, tmp_path):
    out = tmp_path / "out.har"
    out.write_text("old")
    done = recording.cli("export", "--format", "har", "-o", out)
    assert (done.returncode, done.stdout) == (0, "")
    assert out.read_text() == recording.export("har")
    assert out.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["out.har"]


@pytest.mark.parametrize("has_target", [True, False])
def test_a_link_is_followed_and_stays(recording, tmp_path, has_target):
    out, link = tmp_path / "out.har", tmp_path / "link.har"
    link.symlink_to("out.har")
    if has_target:
        out.write_text("old")
    assert recording.cli("export", "--format", "har", "-o", link).returncode == 0
    assert link.is_symlink() and not out.is_symlink()
    assert out.read_text() == recording.export("har")
    assert out.stat().st_mode & 0o777 == 0o600
    assert sorted(os.listdir(tmp_path)) == ["link.har", "out.har"]


def test_nothing_matched_leaves_the_file_alone(recording, tmp_path):
    out = tmp_path / "out.har"
    out.write_text("old")
    done = recording.cli("export", "--format", "har", "-o", out, "path:/nowhere")
    assert done.returncode == 3 and "nothing matched" in done.stderr
    assert out.read_text() == "old" and os.listdir(tmp_path) == ["out.har"]


def test_what_cannot_be_written_is_said(recording, tmp_path):
    done = recording.cli("export", "--format", "har", "-o", tmp_path / "no" / "out.har")
    assert done.returncode == 1 and "No such file" in done.stderr
    done = recording.cli("export", "--format", "har", "-o", "/dev/full")
    assert done.returncode == 1 and "No space left" in done.stderr


def test_wrong_usage(recording):
    assert recording.cli("export").returncode == 2
    done = recording.cli("export", "--format", "hat")
    assert done.returncode == 2 and "did you mean har" in done.stderr
    assert recording.cli("export", "--format", "har", "staus:200").returncode == 2


# --- curl ---------------------------------------------------------------------------------------

# method, target, header lines (with the host and the length of the body filled in), body
REPRODUCED = {
    "plain": ("GET", "/p?a=b&c='d'", ["Host: {host}", "User-Agent: ua", "Accept: */*"], b""),
    "bare": ("GET", "/", ["Host: {host}"], b""),
    "order": ("GET", "/", ["X-A: 1", "Host: {host}", "accept: x", "X-A: 2"], b""),
    "quotes": ("GET", "/$HOME/`id`", ["Host: {host}", "X-Q: it's $HOME \"\\ !x `id`"], b""),
    "empty": ("GET", "/", ["Host: {host}", "X-Empty:", "X-B: 1"], b""),
    "latin1": ("GET", "/", ["Host: {host}", "X-Name: caf\xe9"], b""),
    "dots": ("GET", "/a/../b/./c%2e?x={1,2}[3-4]", ["Host: {host}"], b""),
    "text": ("POST", "/", ["Host: {host}", "Content-Length: {length}"], b"@it's \xc3\xbc & $x %s"),
    "lines": ("POST", "/", ["Host: {host}", "Content-Length: {length}"], b"-n\\n%d\r\n\t'x'\x7f\x01\n%%\n12"),
    "binary": ("PUT", "/", ["Content-Length: {length}", "Host: {host}"], BINARY),
    "type": ("PATCH", "/", ["Host: {host}", "Content-Type: a/b", "Content-Length: {length}"], b"{}"),
    "get-body": ("GET", "/", ["Host: {host}", "Content-Length: {length}"], b"{}"),
    "delete": ("DELETE", "/x", ["Host: {host}"], b""),
    "empty-post": ("POST", "/x", ["Host: {host}", "Content-Length: 0"], b""),
    "head": ("HEAD", "/x", ["Host: {host}"], b""),
    "options": ("OPTIONS", "*", ["Host: {host}"], b""),
    "coding": (
        "POST",
        "/",
        ["Host: {host}", "Content-Encoding: gzip", "Content-Length: {length}"],
        gzip.compress(b"hello", mtime=0),
    ),
    "large": ("POST", "/", ["Host: {host}", "Content-Length: {length}"], b"0123456789abcde\n" * 125000),
}


def filled(lines, origin, body):
    return [line.format(host=origin.host, length=len(body)) for line in lines]


class Reproduction:
    """Requests recorded from raw bytes, with the origin still there for the commands."""

    def __init__(self, home):
        self.origin = RawOrigin(serve)
        self.ids = {}
        with Daemon(home) as hark:
            self.home, self.data_dir = hark.home, hark.data_dir
            for name, (method, target, lines, body) in REPRODUCED.items():
                before = len(self.origin.requests)
                with RawClient(hark.proxy_port) as peer:
                    where = "" if target == "*" else target
                    start = f"{method} http://{self.origin.host}{where} HTTP/1.1"
                    head = [start, *filled(lines, self.origin, body)]
                    peer.ask("\r\n".join([*head, "", ""]).encode("latin-1") + body, method=method)
                    self.ids[name] = hark.row_of(peer)["id"]
                assert len(self.origin.requests) == before + 1, name

    def command(self, name):
        done = run_hark(
            "export", "--data-dir", self.data_dir, "--format", "curl", home=self.home, text=False
        )
        assert done.returncode == 0
        lines = done.stdout.splitlines()
        assert len(lines) == len(REPRODUCED)
        return lines[list(REPRODUCED).index(name)]


@pytest.fixture(scope="module")
def reproduction(tmp_path_factory):
    made = Reproduction(tmp_path_factory.mktemp("curl"))
    yield made
    made.origin.stop()


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("name", REPRODUCED)
def test_a_pasted_command_sends_the_same_bytes(reproduction, name, shell, tmp_path):
    origin = reproduction.origin
    method, target, lines, body = REPRODUCED[name]
    before = len(origin.requests)
    # from its standard input, as if it were typed: an argument could not hold the large one
    done = subprocess.run(
        [shell],
        input=reproduction.command(name) + b"\n",
        env=clean_environment(tmp_path),
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    request = origin.requests[before]
    expected = [f"{method} {target} HTTP/1.1", *filled(lines, origin, body)]
    got = [request.head.start_line, *(f"{n}: {v}" if v else f"{n}:" for n, v in request.fields)]
    assert got == expected
    assert request.body == body


def test_a_tunnel_is_a_comment(tmp_path, daemon):
    with RawOrigin(b"") as origin:
        hark = daemon(settings=["passthrough=127.0.0.1"])
        with RawClient(hark.proxy_port) as peer:
            peer.send(f"CONNECT {origin.host} HTTP/1.1\r\nHost: {origin.host}\r\n\r\n".encode())
            peer.reader.head()
            peer.send(b"\x00not http")
        row = hark.wait_row("kind = 'tunnel'")
        out = hark.cli("export", "--format", "curl").stdout
        assert out.startswith(f"# exchange {row['id']}: a tunnel") and len(out.splitlines()) == 1


def test_a_head_goes_without_its_body(daemon, tmp_path):
    """With it, curl would wait for an answer's body."""
    with RawOrigin(serve) as origin, daemon() as hark:
        with RawClient(hark.proxy_port) as peer:
            peer.ask(request_bytes(origin.host, "HEAD", "/empty", [], b"abc"), method="HEAD")
        hark.wait_rows("1", count=1)
        comment, command = hark.cli("export", "--format", "curl").stdout.splitlines()
        assert comment == "# exchange 1: a HEAD with a body, which curl cannot send: it is left out"
        done = subprocess.run(["sh", "-c", command], env=clean_environment(tmp_path),
                              capture_output=True, timeout=60)
        assert done.returncode == 0 and done.stdout.startswith(b"HTTP/1.1 200")
        assert origin.requests[1].method == "HEAD" and origin.requests[1].body == b""
        assert "content-length" not in {name.lower() for name, _ in origin.requests[1].fields}


def test_a_websocket_has_a_comment(daemon, origin, client):
    upgrade = (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")

    def handle(conn):
        conn.read_request()
        conn.send(upgrade + b"\x88\x02\x03\xe8")
        conn.wait_peer_closes(20)

    hark, server = daemon(), origin(handle)
    peer = client(hark)
    peer.send(f"GET {server.url}/ HTTP/1.1\r\nHost: {server.host}\r\nUpgrade: websocket\r\n"
              "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode())
    peer.reader.head()
    peer.close()
    hark.wait_row("kind = 'websocket'")
    comment = hark.cli("export", "--format", "curl").stdout.splitlines()[0]
    assert comment == "# exchange 1: a WebSocket: curl asks for it, and cannot send its messages"


# --- the API ------------------------------------------------------------------------------------


def test_the_api_streams_the_same_bytes(daemon):
    with RawOrigin(serve) as origin:
        hark = daemon(ui="127.0.0.1:0")
        with RawClient(hark.proxy_port) as peer:
            peer.ask(request_bytes(origin.host, "GET", "/login?token=s3cret", [], b""))
            hark.row_of(peer)
        token = (hark.data_dir / "token").read_text().strip()
        for kind in ("har", "curl", "jsonl"):
            request = urllib.request.Request(
                f"{hark.page_url}/api/v1/export?format={kind}&filter=path%3A%2Flogin",
                headers={"Authorization": f"Bearer {token}"},
            )
            with urllib.request.urlopen(request) as response:
                assert response.read().decode() == hark.cli("export", "--format", kind).stdout
            request.full_url += "&include_secrets=1"
            with urllib.request.urlopen(request) as response:
                assert b"s3cret" in response.read()
