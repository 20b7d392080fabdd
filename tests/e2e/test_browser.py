# SPDX-License-Identifier: MIT
"""A browser behind hark: a page over https with what belongs to it, and a WebSocket.

Chromium runs with a home of its own, whose certificate database trusts hark's authority; all names
lead to the test's servers.
"""

import gzip
import hashlib
import json
import os
import shutil
import signal
import struct
import subprocess
import zlib

import pytest
from harness import SCALE, wait_until
from harness.browser import trust
from harness.daemon import clean_environment
from harness.tls import HOST, TlsOrigin

pytest.importorskip("websockets")
from harness.echo import Echo  # noqa: E402

SOCKET_HOST = "ws.example.com"
SPOKEN = ["hello", "grüße", "x" * 5000]
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-extensions", "--disable-default-apps", "--disable-domain-reliability"]
PAGE = """<!doctype html><title>hark</title><link rel="icon" href="/icon.png">
<link rel="stylesheet" href="/style.css"><img id="image" src="/image.png">
<script src="/script.js"></script>"""
SCRIPT = """
const spoken = %s;
const image = new Promise((done) => { window.onload = () =>
    done(document.getElementById("image").naturalWidth); });
const socket = new Promise((done, failed) => {
  const heard = [], socket = new WebSocket("wss://%s/chat?room=1");
  socket.onopen = () => spoken.forEach((text) => socket.send(text));
  socket.onmessage = (event) => {
    heard.push(event.data.length);
    if (heard.length == spoken.length)
      socket.close(3001, "enough");
  };
  socket.onclose = (event) => done([heard, event.code, event.wasClean]);
  socket.onerror = () => failed(new Error("socket"));
});
const data = fetch("/data.json", {headers: {"X-Asked-By": "script"}}).then((answer) => answer.json());
Promise.all([image, socket, data])
  .then(([image, socket, data]) => ({image, socket, sum: data.numbers.reduce((a, b) => a + b),
      colour: getComputedStyle(document.body).color}), (error) => ({error: String(error)}))
  .then((result) => fetch("/result", {method: "POST", body: JSON.stringify(result)}));
""" % (json.dumps(SPOKEN), SOCKET_HOST)
DATA = json.dumps({"numbers": list(range(2000))}).encode()


def png(width, height):
    def chunk(kind, data):
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    rows = b"".join(b"\0" + os.urandom(3 * width) for _ in range(height))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


FILES = {
    "/": ("text/html; charset=utf-8", PAGE.encode()),
    "/style.css": ("text/css", b"body { color: rgb(1, 2, 3) }\n" * 100),
    "/script.js": ("text/javascript", SCRIPT.encode()),
    "/image.png": ("image/png", png(321, 200)),
    "/icon.png": ("image/png", png(16, 16)),
    "/data.json": ("application/json", DATA),
    "/result": ("text/plain", b"thanks"),
}
COMPRESSED = {"/style.css", "/data.json"}


def answer(conn):
    while request := conn.read_request():
        kind, body = FILES.get(request.target, ("text/plain", b"not here"))
        fields = f"Content-Type: {kind}\r\nCache-Control: no-store\r\n"
        if request.target in COMPRESSED:
            assert "gzip" in request.get("accept-encoding")
            body, fields = gzip.compress(body), fields + "Content-Encoding: gzip\r\n"
        head = f"HTTP/1.1 {200 if request.target in FILES else 404} Status\r\n{fields}"
        conn.send(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)


@pytest.fixture
def echo(pki):
    server = Echo(pki.issue("ws", pki.root, names=f"DNS:{SOCKET_HOST}").server_context())
    yield server
    server.close()


@pytest.fixture
def page_origin(pki):
    with TlsOrigin(pki.leaf.server_context(), answer) as server:
        yield server


@pytest.fixture
def hark(daemon, pki, page_origin, echo):
    """Every name leads to the page's origin, so that nothing leaves the machine."""
    return daemon(settings=[f"connect_to={SOCKET_HOST}:443:127.0.0.1:{echo.port}",
                            f"connect_to=:443:127.0.0.1:{page_origin.port}",
                            f"connect_to=:80:127.0.0.1:{page_origin.port}",
                            f"upstream_ca_file={pki.root.certificate}"])


@pytest.fixture
def browse(hark, tmp_path):
    """browse(url) opens it in a Chromium that uses hark and trusts it."""
    for tool in ("chromium", "certutil"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    home = tmp_path / "browser"
    trust(home, hark.data_dir / "ca.pem")
    started = []

    def start(url):
        own = [f"--user-data-dir={home}/profile", f"--proxy-server={hark.proxy_url}"]
        command = ["chromium", *FLAGS, *own, url]
        with (tmp_path / "browser.log").open("wb") as log:
            started.append(subprocess.Popen(
                command, env=clean_environment(home), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True))

    yield start
    for one in started:
        os.killpg(one.pid, signal.SIGTERM)
        try:
            one.wait(10 * SCALE)
        except subprocess.TimeoutExpired:
            os.killpg(one.pid, signal.SIGKILL)
            one.wait(10 * SCALE)


def assert_file_recorded(hark, path):
    kind, body = FILES[path]
    row = hark.wait_row(f"path = '{path}'")
    assert (row["scheme"], row["host"], row["port"]) == ("https", HOST, 443)
    assert (row["status"], row["state"], row["error"]) == (200, "done", None)
    assert row["response_type"] == kind.split(";")[0]
    recorded = hark.body(row["id"], "response")
    if path in COMPRESSED:
        assert row["response_encoding"] == "gzip"
        recorded = gzip.decompress(recorded)
    assert hashlib.sha256(recorded).digest() == hashlib.sha256(body).digest()
    return row


def test_page_with_all_that_belongs_to_it(hark, page_origin, browse):
    browse(f"https://{HOST}/")
    result = wait_until(
        lambda: next((r for r in page_origin.requests if r.target == "/result" and r.complete), None),
        "the page to say what it saw", seconds=60)
    assert json.loads(result.body) == {
        "image": 321, "socket": [[len(text) for text in SPOKEN], 3001, True],
        "sum": sum(range(2000)), "colour": "rgb(1, 2, 3)"}
    for path in FILES:
        assert_file_recorded(hark, path)
    posted = assert_file_recorded(hark, "/result")
    assert (posted["method"], hark.body(posted["id"], "request")) == ("POST", result.body)
    assert "Chrome" in hark.wait_row("path = '/'")["request_headers"]

    chat = hark.wait_row("kind = 'websocket' AND state = 'done'")
    assert (chat["scheme"], chat["host"], chat["path"], chat["query"], chat["status"]) == (
        "https", SOCKET_HOST, "/chat", "room=1", 101)
    shown = json.loads(hark.cli("show", chat["id"], "--json").stdout)
    said = {way: [one.get("text") for one in shown["messages"] if one["direction"] == way
                  and one["opcode"] == 1] for way in ("send", "receive")}
    assert said == {"send": SPOKEN, "receive": SPOKEN}
