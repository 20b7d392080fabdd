# SPDX-License-Identifier: MIT
"""proxy_auth: who gets through, by which way, with which client; and where the password stays."""

import base64
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys

import pytest
from harness import SCALE, RawClient, run_hark, wait_until
from harness.browser import Browser, trust
from harness.conformance import fill
from harness.daemon import clean_environment, fields_of
from harness.tls import HOST

# alice: secret (bcrypt, as of htpasswd -B), bob: hunter2 (yescrypt, as of mkpasswd), slow: slow, with
# a hash that takes a part of a second; that of glacial takes many.
USERS = """\
alice:$2y$05$MuzVkL7k7WSp12OM4lh06.3jCIah.bdUKJHuMpZMz.i4IohqhhELa
bob:$y$j9T$RPeL/gX8iofb1hIpIn1Wx0$6l5SZ3hCl5WyTQeStgTsVOvSqJVScufsK3e9qGXhmnB
slow:$2b$12$xwZITfd3/qdojc76Bnpu9OkPeW98zuSwMF3MS257j.BKO6PkFRRtu
glacial:$2b$17$xwZITfd3/qdojc76Bnpu9OfCP5ptHbPzzKE52qwBcPDkbMNFI.mn2
"""
GET = b"GET {url}/x HTTP/1.1\r\nHost: {host}\r\n"
CONNECT = b"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n"


def basic(user, password):
    return base64.b64encode(f"{user}:{password}".encode())


def login(user, password):
    return b"Proxy-Authorization: Basic " + basic(user, password) + b"\r\n"


ALICE = login("alice", "secret")


@pytest.fixture
def users(tmp_path):
    file = tmp_path / "users"
    file.write_text(USERS)
    file.chmod(0o640)
    return file


@pytest.fixture
def guarded(daemon, users):
    return daemon(config=f"proxy_auth = {users}\n", ui="127.0.0.1:0")


def recording_bytes(hark):
    return b"".join(file.read_bytes() for file in hark.data_dir.glob("hark.db*"))


# --- the file ------------------------------------------------------------------------------------


@pytest.mark.parametrize("text,mode,said", [
    ("alice\n", 0o640, ":1: not \"user:hash\""),
    (USERS + "carol:plain text\n", 0o640, ":5: what follows the user is no password hash"),
    (USERS, 0o644, ": others may read or change it (mode 0644); chmod 640"),
    ("", 0o600, ": there is no user in it"),
])
def test_mistake_in_the_file_is_said_with_its_place(tmp_path, text, mode, said):
    file = tmp_path / "users"
    file.write_text(text)
    file.chmod(mode)
    config = tmp_path / "hark.conf"
    config.write_text(f"\nproxy_auth = {file}\n")
    done = run_hark("serve", "--config", config, home=tmp_path)
    assert done.returncode == 2
    assert f"{config}:2: proxy_auth: {file}{said}" in done.stderr


def test_reload_takes_the_new_users_and_keeps_the_old_ones_if_they_are_bad(guarded, users, origin):
    server = origin()

    def status(user, password):
        with RawClient(guarded.proxy_port) as peer:
            return peer.ask(fill(GET + login(user, password) + b"\r\n", server)).status

    assert status("alice", "secret") == 200
    users.write_text("nonsense\n")
    guarded.signal(signal.SIGHUP)
    guarded.wait_log(r"reload: .*users:1: not \"user:hash\"; the old configuration stays")
    assert status("alice", "secret") == 200
    users.write_text(USERS.replace("alice", "carol"))
    guarded.signal(signal.SIGHUP)
    wait_until(lambda: status("carol", "secret") == 200, "the new user")
    assert status("alice", "secret") == 407


# --- requests ------------------------------------------------------------------------------------


@pytest.mark.parametrize("fields", [
    pytest.param(b"", id="nothing"),
    pytest.param(login("alice", "wrong"), id="wrong password"),
    pytest.param(login("nobody", "secret"), id="unknown user"),
    pytest.param(login("alice", ""), id="no password"),
    pytest.param(b"Proxy-Authorization: Basic !\r\n", id="not base64"),
    pytest.param(b"Proxy-Authorization: Bearer secret\r\n", id="other scheme"),
    pytest.param(b"Authorization: Basic YWxpY2U6c2VjcmV0\r\n", id="meant for the origin"),
])
def test_request_without_the_right_login_is_asked_for_one(guarded, origin, client, fields):
    server = origin()
    peer = client(guarded)
    response = peer.ask(fill(GET + fields + b"\r\n", server))
    assert response.status == 407
    assert response.get("proxy-authenticate") == 'Basic realm="hark", charset="UTF-8"'
    assert response.get("hark-error") == "proxy-auth"
    row = guarded.row_of(peer)
    assert (row["status"], row["error"], row["state"]) == (407, "proxy-auth", "done")
    assert not server.requests
    again = peer.ask(fill(GET + ALICE + b"\r\n", server))
    assert again.status == 200, "the same connection is good for another try"


def test_right_login_goes_through_and_stays_here(guarded, origin, client):
    server = origin()
    peer = client(guarded)
    for fields in (ALICE, login("bob", "hunter2"), ALICE.replace(b"Basic", b"bAsIc")):
        assert peer.ask(fill(GET + fields + b"\r\n", server)).status == 200
    assert all(request.get("proxy-authorization") is None for request in server.requests)
    rows = guarded.rows_of(peer, count=3)
    assert dict(fields_of(rows[0], "request_headers"))["Proxy-Authorization"] == "(not recorded)"
    written = recording_bytes(guarded)
    for secret in (basic("alice", "secret"), basic("bob", "hunter2"), b"hunter2"):
        assert secret not in written and secret.decode() not in guarded.stderr


def test_without_proxy_auth_a_login_is_not_recorded_either(hark, origin, client):
    peer = client(hark)
    assert peer.ask(fill(GET + ALICE + b"\r\n", origin())).status == 200
    assert dict(fields_of(hark.row_of(peer), "request_headers"))["Proxy-Authorization"] == "(not recorded)"
    refused = client(hark)
    assert refused.ask(b"GET / HTTP/1.1\r\nHost: a\x01\r\n" + ALICE + b"\r\n").status == 400
    hark.row_of(refused)
    assert basic("alice", "secret") not in recording_bytes(hark)


@pytest.mark.parametrize("target", [b"http://hark.internal/ca.pem", b"/"])
def test_pages_of_harks_own_want_a_login_too(guarded, client, target):
    head = b"GET " + target + b" HTTP/1.1\r\nHost: hark.internal\r\n"
    peer = client(guarded)
    assert peer.ask(head + b"\r\n").status == 407
    assert peer.ask(head + ALICE + b"\r\n").status == 200


def test_upload_without_a_login_is_refused_before_it_is_over_and_not_kept(guarded, origin, client):
    server = origin()
    head = fill(GET.replace(b"GET", b"POST") + b"Content-Length: 100000000\r\n\r\n", server)
    peer = client(guarded)
    assert peer.ask(head + b"x" * 100_000).status == 407
    row = guarded.row_of(peer)
    assert row["status"] == 407 and row["request_size"] == 0
    assert not server.requests


def test_upload_waits_for_its_login(guarded, origin, client):
    server = origin()
    body = os.urandom(2_000_000)
    head = fill(GET.replace(b"GET", b"POST") + login("bob", "hunter2")
                + b"Content-Length: %d\r\n\r\n" % len(body), server)
    peer = client(guarded)
    assert peer.ask(head + body).status == 200
    assert server.requests[0].body == body


def test_others_are_served_while_a_password_is_being_checked(guarded, origin):
    server = origin()
    with RawClient(guarded.proxy_port) as known, RawClient(guarded.proxy_port) as slow:
        assert known.ask(fill(GET + ALICE + b"\r\n", server)).status == 200
        slow.send(fill(GET + login("slow", "slow") + b"\r\n", server))
        for _ in range(5):
            assert known.ask(fill(GET + ALICE + b"\r\n", server)).status == 200
        assert not select.select([slow.sock], [], [], 0)[0], "its hash takes longer than that"
        assert slow.response(seconds=30).status == 200
        assert slow.ask(fill(GET + login("slow", "slow") + b"\r\n", server)).status == 200


def test_wait_for_a_login_is_no_idle_time(daemon, users, origin):
    """After four wrong ones the next is looked at two seconds later."""
    server = origin()
    hark = daemon(config=f"proxy_auth = {users}\nidle_timeout = 1500ms\n")
    wrong = [(login("alice", f"wrong{i}"), 407) for i in range(4)]
    for fields, status in [*wrong, (ALICE, 200)]:
        with RawClient(hark.proxy_port, source="127.0.0.66") as peer:
            assert peer.ask(fill(GET + fields + b"\r\n", server)).status == status


def test_client_that_leaves_while_its_password_is_checked(guarded, origin):
    server = origin()
    for head in (GET, CONNECT):
        peer = RawClient(guarded.proxy_port).send(fill(head + login("slow", "slow") + b"\r\n", server))
        select.select([peer.sock], [], [], 0.1)
        peer.reset()
    with RawClient(guarded.proxy_port) as peer:
        assert peer.ask(fill(GET + ALICE + b"\r\n", server), seconds=30).status == 200


def test_stop_while_a_password_is_checked(guarded, origin):
    with RawClient(guarded.proxy_port) as peer, RawClient(guarded.proxy_port) as other:
        peer.send(fill(GET + login("glacial", "wrong") + b"\r\n", origin()))
        other.send(fill(CONNECT + login("glacial", "also wrong") + b"\r\n", origin()))
        select.select([peer.sock], [], [], 0.1)
        guarded.signal(signal.SIGTERM)
        guarded.wait_log("stopping")
        guarded.signal(signal.SIGTERM)
        guarded.stop()


def test_wrong_passwords_are_checked_a_few_at_a_time(guarded, origin):
    """Beyond that they are sent away, and the right one of somebody known is not held up."""
    server = origin()
    with RawClient(guarded.proxy_port) as known, contextlib.ExitStack() as stack:
        assert known.ask(fill(GET + ALICE + b"\r\n", server)).status == 200
        crowd = []
        for number in range(40):
            peer = stack.enter_context(RawClient(guarded.proxy_port, source="127.0.0.66"))
            crowd.append(peer.send(fill(GET + login("glacial", str(number)) + b"\r\n", server)))
        busy = sum(bool(select.select([peer.sock], [], [], 0.05)[0]) for peer in crowd)
        assert busy >= 30
        for _ in range(20):
            assert known.ask(fill(GET + ALICE + b"\r\n", server)).status == 200
        answered = next(peer for peer in crowd if select.select([peer.sock], [], [], 0)[0])
        assert answered.response().status == 503


def test_failures_are_counted_and_logged_without_what_was_given(guarded, origin, client):
    assert client(guarded).ask(fill(GET + login("alice", "hunter3") + b"\r\n", origin())).status == 407
    guarded.wait_log("login: wrong user or password from 127")
    assert "hunter3" not in guarded.stderr and "alice" not in guarded.stderr
    status = json.loads(guarded.cli("status", "--json").stdout)
    assert status["failed_logins"] == 1


# --- tunnels -------------------------------------------------------------------------------------


def test_tunnel_wants_a_login_once(guarded, origin, client):
    server = origin()
    peer = client(guarded)
    peer.send(fill(CONNECT + ALICE + b"\r\n", server))
    assert " 200 " in peer.reader.head().start_line
    assert peer.ask(fill(b"GET /in HTTP/1.1\r\nHost: {host}\r\n\r\n", server)).status == 200
    assert peer.ask(fill(b"GET /in HTTP/1.1\r\nHost: {host}\r\n\r\n", server)).status == 200


@pytest.mark.parametrize("fields", [b"", login("alice", "wrong")])
def test_tunnel_without_the_right_login_is_asked_for_one(guarded, origin, client, fields):
    server = origin()
    peer = client(guarded)
    response = peer.ask(fill(CONNECT + fields + b"\r\n", server))
    assert response.status == 407 and response.get("proxy-authenticate").startswith("Basic realm=")
    row = guarded.row_of(peer)
    assert (row["kind"], row["status"], row["error"]) == ("tunnel", 407, "proxy-auth")
    assert basic("alice", "wrong") not in recording_bytes(guarded)
    assert not server.requests


# --- real clients --------------------------------------------------------------------------------

PYTHON = {
    "requests": "import requests; print(requests.get({url!r}, verify={ca!r}).text)",
    "httpx": "import httpx; print(httpx.get({url!r}, verify={ca!r}).text)",
    "aiohttp": """
import aiohttp, asyncio, ssl
async def main():
    async with aiohttp.ClientSession() as session:
        async with session.get({url!r}, proxy={proxy!r}, ssl=ssl.create_default_context(cafile={ca!r})) as got:
            print(await got.text())
asyncio.run(main())
""",
}
CURL = ["curl", "-sS", "--cacert", "{ca}", "{url}"]
CLIENTS = {
    "curl in the URL": [*CURL, "-x", "{proxy}"],
    "curl --proxy-anyauth": [*CURL, "-x", "{bare}", "--proxy-anyauth", "-U", "{user}"],
    "curl socks5": [*CURL, "-x", "{socks}"],
    **{name: [sys.executable, "-c", code] for name, code in PYTHON.items()},
    "node": ["node", "-e", "require('{scheme}').get('{url}', r => r.pipe(process.stdout))"
             ".on('error', e => {{ console.error(e); process.exit(1) }})"],
}


@pytest.fixture
def run_client(daemon, users, origin, tls_origin, pki):
    """run_client(name, scheme, user) has a real client ask through the proxy."""

    def run(name, scheme, user):
        words = CLIENTS[name]
        if not shutil.which(words[0]):
            pytest.skip(f"{words[0]} is not installed")
        if name in PYTHON:
            pytest.importorskip(name)
        server = origin() if scheme == "http" else tls_origin()
        hark = daemon(config=f"proxy_auth = {users}\n", settings=[
            f"connect_to={HOST}:443:127.0.0.1:{server.port}", f"upstream_ca_file={pki.root.certificate}"])
        place = hark.proxy_url.removeprefix("http://")
        names = {"url": f"{server.url}/x" if scheme == "http" else f"https://{HOST}/x",
                 "ca": str(hark.data_dir / "ca.pem"), "bare": hark.proxy_url, "user": user,
                 "proxy": f"http://{user}@{place}", "socks": f"socks5h://{user}@{place}",
                 "scheme": scheme}
        variables = json.loads(hark.cli("env", "--shell", "json").stdout)
        variables = {name: value.replace(hark.proxy_url, names["proxy"])
                     for name, value in variables.items()}
        done = subprocess.run([word.format(**names) for word in words], capture_output=True,
                              env=clean_environment(hark.home, **variables), text=True,
                              timeout=20 * SCALE, check=False)
        assert basic(*user.split(":")) not in recording_bytes(hark)
        return hark, done

    return run


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("name", CLIENTS)
def test_client_logs_in(run_client, name, scheme):
    hark, done = run_client(name, scheme, "alice:secret")
    assert (done.returncode, done.stdout.strip()) == (0, "ok"), done.stderr
    assert hark.wait_row("path = '/x' AND status = 200")["scheme"] == scheme


@pytest.mark.parametrize("name,scheme", [("curl --proxy-anyauth", "https"), ("curl socks5", "http"),
                                         ("requests", "http"), ("node", "https")])
def test_client_with_a_wrong_password_is_kept_out(run_client, name, scheme):
    hark, done = run_client(name, scheme, "alice:wrong")
    assert done.stdout.strip() != "ok"
    assert hark.wait_row("error = 'proxy-auth'")["status"] == 407


@pytest.mark.skipif(SCALE > 1, reason="a sanitizer finds nothing in Chromium")
def test_chromium_logs_in(daemon, users, origin, tls_origin, pki, tmp_path):
    for tool in ("chromium", "certutil"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    plain, secure = origin(), tls_origin()
    hark = daemon(config=f"proxy_auth = {users}\n", settings=[
        f"connect_to={HOST}:80:127.0.0.1:{plain.port}", f"connect_to=:443:127.0.0.1:{secure.port}",
        f"upstream_ca_file={pki.root.certificate}"])
    trust(tmp_path / "browser", hark.data_dir / "ca.pem")
    flags = [f"--proxy-server={hark.proxy_url}", "--disable-features=HttpsUpgrades"]
    browser = Browser(tmp_path / "browser", *flags, login="alice:secret")
    try:
        page = browser.open(f"http://{HOST}/plain")
        assert page.text("body") == "ok"
        page.go(f"https://{HOST}/secure")
        assert page.wait("document.body.innerText") == "ok"
    finally:
        browser.close()
    for scheme, path in (("http", "/plain"), ("https", "/secure")):
        assert hark.wait_row(f"path = '{path}' AND status = 200")["scheme"] == scheme
    assert basic("alice", "secret") not in recording_bytes(hark)


# --- hark's own programs -------------------------------------------------------------------------


def test_what_hark_run_starts_need_not_log_in(guarded, origin, users):
    server = origin()
    done = guarded.cli("run", "--", "curl", "-sS", f"{server.url}/run")
    assert done.stdout == "ok", done.stderr
    assert guarded.wait_row("path = '/run'")["status"] == 200
    guarded.stop()
    words = ["--config", guarded.config_file, "--", "curl", "-sS", f"{server.url}/own"]
    alone = guarded.cli("run", *words)
    assert alone.stdout == "ok", alone.stderr


def test_hark_env_says_that_a_login_is_wanted(guarded):
    done = guarded.cli("env", "--shell", "json")
    assert "USER:PASSWORD@" in done.stderr and done.returncode == 0
