# SPDX-License-Identifier: MIT
"""Programs as their users wrote them, with their https:// addresses, under `hark run`.

Each is run once in a session of its own beside one daemon. What it must have sent is what reached
the origin; docs/clients.md says the same in a table. Then each is answered from the recording while
its origin is gone and its name cannot be resolved. Those of Java are in test_clients_java.py.
"""

import json
import subprocess
from pathlib import Path

import pytest
from harness.daemon import clean_environment
from harness.programs import need
from harness.services import DATA
from harness.tls import HOST, TlsOrigin
from harness.zoo import Run, Zoo, assert_get_and_post, assert_plays_back, assert_recorded, run_under_hark

API_PROGRAMS = [
    "requests_api.py", "httpx_sync_api.py", "httpx_async_api.py", "urllib_api.py",
    "http_client_api.py", "aiohttp_api.py", "curl_api.sh", "wget_api.sh", "node_https_api.js",
    "node_fetch_api.mjs", "node_undici_api.mjs", "node_axios_api.mjs", "node_got_api.mjs", "go_api.go",
    "ruby_net_http_api.rb", "perl_lwp_api.pl", "php_curl_api.php",
]
# Those that find the proxy in another way for http: by a shim, by a property, by another variable.
PLAIN_PROGRAMS = [
    "requests_api.py", "aiohttp_api.py", "curl_api.sh", "wget_api.sh", "node_https_api.js",
    "node_fetch_api.mjs", "node_got_api.mjs", "ruby_net_http_api.rb", "perl_lwp_api.pl",
    "php_curl_api.php",
]
ALL_PROGRAMS = [*API_PROGRAMS, "php_streams_api.php", "requests_services.py"]


@pytest.fixture(scope="module")
def zoo(pki, tmp_path_factory):
    zoo = Zoo(tmp_path_factory.mktemp("zoo"), pki, ALL_PROGRAMS)
    yield zoo
    zoo.close()


@pytest.mark.parametrize("program", API_PROGRAMS)
def test_https_get_and_post_to_an_api(zoo, program):
    assert_get_and_post(zoo.hark, zoo.record(program), "https")


@pytest.mark.parametrize("program", PLAIN_PROGRAMS)
def test_http_get_and_post_to_an_api(zoo, program):
    assert_get_and_post(zoo.hark, zoo.record(program, "http"), "http")


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_php_streams(zoo, scheme):
    ran = zoo.record("php_streams_api.php", scheme)
    assert ran.lines[0] == "200" and json.loads(ran.lines[1]) == DATA, ran.stderr
    assert_recorded(zoo.hark, ran.rows[0], ran.upstream[0], scheme, "/data")


def test_requests_with_services_known_to_everybody(zoo):
    ran = zoo.record("requests_services.py")
    assert ran.lines[0] == "200" and "current_user_url" in ran.lines[1]
    assert ran.lines[2] == "200" and "'json': {'key': 'value'}" in ran.lines[3]
    assert [(r["method"], r["host"], r["path"], r["status"]) for r in ran.rows] == [
        ("GET", "api.github.com", "/", 200), ("POST", "httpbin.org", "/post", 200)]


@pytest.mark.parametrize("program", ALL_PROGRAMS)
def test_program_gets_the_same_from_the_recording(zoo, program, tmp_path):
    assert_plays_back(zoo, program, tmp_path / "home")


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


def test_git_clones_over_https_and_from_the_recording(pki, daemon, tmp_path):
    need("git")
    words = ["git", "clone", "-q", f"https://{HOST}/repo.git", "cloned"]
    with TlsOrigin(pki.leaf.server_context(), serve_repository(tmp_path)) as server:
        recorder = daemon(settings=[f"connect_to={HOST}:443:127.0.0.1:{server.port}",
                                    f"upstream_ca_file={pki.root.certificate}"])
        ran = Run(recorder, words, tmp_path / "first")
    assert ran.status == 0, ran.stderr
    assert (tmp_path / "first/cloned/README").read_text() == "cloned\n"
    assert ran.rows[0]["path"] == "/repo.git/info/refs"
    assert all(row["scheme"] == "https" for row in ran.rows)
    recorder.stop()
    player = daemon("--mode", "playback", data_dir=recorder.data_dir)
    status, _, stderr = run_under_hark(player, words, tmp_path / "second")
    assert status == 0, stderr
    assert (tmp_path / "second/cloned/README").read_text() == "cloned\n"
