# SPDX-License-Identifier: MIT
"""Programs as their users wrote them, with their https:// addresses, under `hark run`.

Each is run once in a session of its own beside one daemon. What it must have sent is what reached
the origin; docs/clients.md says the same in a table.
"""

import json
import subprocess
from pathlib import Path

import pytest
from harness import Daemon
from harness.daemon import clean_environment, fields_of
from harness.programs import PROGRAMS, command, need
from harness.running import Running, Summary
from harness.services import DATA, SecureServices, Services
from harness.tls import TlsOrigin

HOP_BY_HOP = {"connection", "proxy-connection", "keep-alive", "te", "upgrade"}
PAYLOAD = {"name": "hark", "note": "grüße"}

API_PROGRAMS = [
    "requests_api.py", "httpx_sync_api.py", "httpx_async_api.py", "urllib_api.py",
    "http_client_api.py", "aiohttp_api.py", "curl_api.sh", "wget_api.sh", "node_https_api.js",
    "node_fetch_api.mjs", "node_undici_api.mjs", "node_axios_api.mjs", "node_got_api.mjs", "go_api.go",
    "ruby_net_http_api.rb", "perl_lwp_api.pl", "php_curl_api.php", "UrlConnectionApi.java",
    "JavaNetHttpApi.java", "ApacheHttpClient4Api.java", "ApacheHttpClient5Api.java", "NettyApi.java",
    "clj_http_api.clj",
]
# Those that find the proxy in another way for http: by a shim, by a property, by another variable.
PLAIN_PROGRAMS = [
    "requests_api.py", "aiohttp_api.py", "curl_api.sh", "wget_api.sh", "node_https_api.js",
    "node_fetch_api.mjs", "node_got_api.mjs", "ruby_net_http_api.rb", "perl_lwp_api.pl",
    "php_curl_api.php", "php_streams_api.php", "UrlConnectionApi.java",
]


@pytest.fixture(scope="module")
def secure_services(pki):
    with SecureServices(pki) as server:
        yield server


@pytest.fixture(scope="module")
def plain_services():
    with Services() as server:
        yield server


@pytest.fixture(scope="module")
def hark(secure_services, plain_services, tmp_path_factory):
    settings = [*secure_services.settings, *plain_services.settings]
    with Daemon(tmp_path_factory.mktemp("hark"), settings=settings) as daemon:
        yield daemon


class Run:
    """One program under hark run, with what it printed and the rows of its session."""

    def __init__(self, hark, words, home):
        ran = Running(hark.data_dir, home, *words, java=True, env={"LANG": "C.UTF-8"})
        try:
            self.status, out, self.stderr = ran.finish(seconds=60)
        finally:
            ran.close()
        self.lines = out.splitlines()
        self.summary = Summary(self.stderr)
        self.rows = hark.sql("SELECT * FROM exchange WHERE session_id = ? ORDER BY id", self.summary.session)


@pytest.fixture
def run(hark, tmp_path):
    """run(program, scheme) runs a file of programs/https."""

    def start(program, scheme="https"):
        source = PROGRAMS / "https" / program
        if scheme == "http":
            text = source.read_text().replace("https://", "http://").replace("'https'", "'http'")
            source = tmp_path / program
            source.write_text(text)
        return Run(hark, command(source, tmp_path), tmp_path / "home")

    return start


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


def assert_get_and_post(hark, ran, upstream, scheme):
    assert ran.status == 0, ran.stderr
    assert ran.lines[0] == "200" and json.loads(ran.lines[1]) == DATA
    assert ran.lines[2] == "201" and json.loads(ran.lines[3]) == {"accepted": PAYLOAD}
    assert (ran.summary.count, ran.summary.errors) == (2, 0), ran.stderr
    assert [(row["method"], row["status"]) for row in ran.rows] == [("GET", 200), ("POST", 201)]
    for row, request, path in zip(ran.rows, upstream, ("/data", "/submit")):
        assert_recorded(hark, row, request, scheme, path)
    assert json.loads(hark.body(ran.rows[0]["id"], "response")) == DATA
    assert json.loads(hark.body(ran.rows[1]["id"], "request")) == PAYLOAD


@pytest.mark.parametrize("program", API_PROGRAMS)
def test_https_get_and_post_to_an_api(run, hark, secure_services, program):
    before = len(secure_services.requests)
    ran = run(program)
    assert_get_and_post(hark, ran, secure_services.requests[before:], "https")
    assert ran.rows[0]["tls_version"].startswith("TLS") and ran.rows[0]["server_cert"]


@pytest.mark.parametrize("program", [name for name in PLAIN_PROGRAMS if "streams" not in name])
def test_http_get_and_post_to_an_api(run, hark, plain_services, program):
    before = len(plain_services.requests)
    ran = run(program, "http")
    assert_get_and_post(hark, ran, plain_services.requests[before:], "http")


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_php_streams(run, hark, secure_services, plain_services, scheme):
    origin = secure_services if scheme == "https" else plain_services
    before = len(origin.requests)
    ran = run("php_streams_api.php", scheme)
    assert ran.lines[0] == "200" and json.loads(ran.lines[1]) == DATA, ran.stderr
    assert_recorded(hark, ran.rows[0], origin.requests[before], scheme, "/data")


def test_requests_with_services_known_to_everybody(run):
    ran = run("requests_services.py")
    assert ran.lines[0] == "200" and "current_user_url" in ran.lines[1]
    assert ran.lines[2] == "200" and "'json': {'key': 'value'}" in ran.lines[3]
    assert [(r["method"], r["host"], r["path"], r["status"]) for r in ran.rows] == [
        ("GET", "api.github.com", "/", 200), ("POST", "httpbin.org", "/post", 200)]


def git(*words, cwd):
    env = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.com", "GIT_COMMITTER_NAME": "a",
           "GIT_COMMITTER_EMAIL": "a@example.com"}
    subprocess.run(["git", *words], cwd=cwd, env=clean_environment(cwd, **env), check=True,
                   stdin=subprocess.DEVNULL, capture_output=True)


def serve_repository(folder):
    """A repository with one file, as plain files that a web server can offer, and its handler."""
    work, bare = folder / "work", folder / "repo.git"
    work.mkdir()
    (work / "README").write_text("cloned\n")
    git("init", "-q", "-b", "main", cwd=work)
    git("add", "README", cwd=work)
    git("commit", "-q", "-m", "first", cwd=work)
    git("clone", "-q", "--bare", str(work), str(bare), cwd=folder)
    git("update-server-info", cwd=bare)

    def handle(conn):
        while request := conn.read_request():
            path = bare / Path(request.target.split("?")[0]).relative_to("/repo.git")
            body = path.read_bytes() if path.is_file() else b""
            head = "200 OK" if path.is_file() else "404 Not Found"
            conn.send(f"HTTP/1.1 {head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)

    return handle


def test_git_clone_over_https(pki, daemon, tmp_path):
    need("git")
    with TlsOrigin(pki.leaf.server_context(), serve_repository(tmp_path)) as server:
        lead = f"connect_to=api.example.com:443:127.0.0.1:{server.port}"
        hark = daemon(settings=[lead, f"upstream_ca_file={pki.root.certificate}"])
        words = ["git", "clone", "-q", "https://api.example.com/repo.git", "cloned"]
        ran = Run(hark, words, tmp_path / "home")
    assert ran.status == 0, ran.stderr
    assert (tmp_path / "home/cloned/README").read_text() == "cloned\n"
    assert ran.rows[0]["path"] == "/repo.git/info/refs"
    assert all(row["scheme"] == "https" for row in ran.rows)
