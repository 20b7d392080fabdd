# SPDX-License-Identifier: MIT
"""Origins that ask who is asking: upstream_client_cert."""

import signal
import ssl

import pytest
from harness import run_hark, wait_until
from harness.pki import CA, LEAF
from harness.tls import HOST, TlsOrigin

GET = b"GET /x HTTP/1.1\r\nHost: api.example.com\r\n\r\n"
CLIENT = LEAF + "\nextendedKeyUsage=clientAuth"
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def write_bundle(path, *parts):
    path.write_text("".join(part.read_text() for part in parts))
    return path


@pytest.fixture(scope="module")
def users(pki):
    """A certificate below an intermediate that only its file has, with both and the key."""
    middle = pki.issue("users", pki.root, extensions=CA)
    pair = pki.issue("alice", middle, names=None, extensions=CLIENT, chain=[middle])
    write_bundle(pki.folder / "alice-all.pem", pair.chain_file, pair.key)
    stranger = pki.issue("stranger-user", names=None, extensions=CLIENT)
    write_bundle(pki.folder / "stranger-all.pem", stranger.certificate, stranger.key)
    return pki.folder


def name_of(conn):
    certificate = conn.sock.getpeercert()
    return dict(pair[0] for pair in certificate["subject"])["commonName"] if certificate else "-"


def answer_with_name(conn):
    """Says whose certificate came, and over the how-many-eth connection."""
    while conn.read_request():
        number = conn.origin.connections.index(conn)
        body = f"{name_of(conn)} {number}".encode()
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


@pytest.fixture
def asking_origin(pki):
    """asking_origin(mode, version): an origin that asks for a certificate of pki.root's."""
    started = []

    def start(mode=ssl.CERT_REQUIRED, version=ssl.TLSVersion.TLSv1_3):
        context = pki.leaf.server_context()
        context.verify_mode = mode
        context.minimum_version = context.maximum_version = version
        context.load_verify_locations(pki.root.certificate)
        started.append(TlsOrigin(context, answer_with_name))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("host", [HOST, "*.example.com", f"{HOST}:443", "API.example.com"])
def test_shown_to_the_host_that_is_named(
    asking_origin, https_daemon, tls_client, users, version, host
):
    setting = f"upstream_client_cert=other.example.com:{users}/stranger-all.pem " \
              f"{host}:{users}/alice-all.pem"
    hark = https_daemon(asking_origin(version=version), setting)
    peer = tls_client(hark)
    assert peer.ask(GET).body == b"alice 0"
    assert peer.ask(GET).body == b"alice 0"
    assert [row["error"] for row in hark.wait_rows("status = 200", count=2)] == [None, None]


@pytest.mark.parametrize("host", ["other.example.com", f"{HOST}:8443", "example.com"])
def test_not_shown_to_others(asking_origin, https_daemon, tls_client, users, host):
    hark = https_daemon(
        asking_origin(ssl.CERT_OPTIONAL), f"upstream_client_cert={host}:{users}/alice-all.pem")
    assert tls_client(hark).ask(GET).body == b"- 0"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("file", [None, "stranger-all.pem"])
def test_refused_by_the_origin(asking_origin, https_daemon, tls_client, users, version, file):
    settings = [f"upstream_client_cert={HOST}:{users}/{file}"] if file else []
    server = asking_origin(version=version)
    hark = https_daemon(server, *settings)
    peer = tls_client(hark)
    answer, row = peer.ask(GET), hark.row_of(peer)
    assert (answer.status, answer.get("hark-error")) == (502, "tls"), row["error_text"]
    assert (row["state"], row["error"]) == ("upstream-error", "tls")
    if version == ssl.TLSVersion.TLSv1_3:
        assert "asked for a client certificate" in row["error_text"]
        assert (file or "upstream_client_cert") in row["error_text"]
    else:
        assert "alert" in row["error_text"]
    assert server.requests == []


def answers_after_reload(hark, text, tls_client):
    """What it answers once it has read `text`: the workers take that up one after another."""
    hark.config_file.write_text(text)
    hark.signal(signal.SIGHUP)
    shown = "-" if text == "" else "alice"

    def ask():
        answer = tls_client(hark).ask(GET).body.decode().split()
        return answer if answer[0] == shown else None

    return wait_until(ask, f"an answer to {shown}")


def test_connection_is_not_shared_with_requests_without(
    asking_origin, https_daemon, tls_client, users
):
    """After a reload that takes the certificate away, its connection is not used again."""
    shows = f"upstream_client_cert = {HOST}:{users}/alice-all.pem\n"
    hark = https_daemon(asking_origin(ssl.CERT_OPTIONAL), "workers=1", config=shows)
    assert tls_client(hark).ask(GET).body == b"alice 0"
    assert answers_after_reload(hark, "", tls_client) == ["-", "1"]
    assert answers_after_reload(hark, shows, tls_client) == ["alice", "0"]


def check(home, setting):
    done = run_hark("serve", "--check-config", "--set", f"upstream_client_cert={setting}", home=home)
    return done.returncode, done.stderr


@pytest.mark.parametrize(("content", "message"), [
    ((), "holds no certificate in PEM"),
    (("certificate",), "holds no private key in PEM"),
    (("key",), "holds no certificate in PEM"),
], ids=["empty", "no-key", "no-certificate"])
def test_file_that_lacks_something_stops_the_start(pki, tmp_path, content, message):
    file = write_bundle(tmp_path / "me.pem", *(getattr(pki.leaf, part) for part in content))
    status, stderr = check(tmp_path, f"{HOST}:{file}")
    assert (status, message in stderr, str(file) in stderr) == (2, True, True), stderr


def test_key_of_another_certificate_stops_the_start(pki, tmp_path):
    file = write_bundle(tmp_path / "me.pem", pki.leaf.certificate, pki.root.key)
    status, stderr = check(tmp_path, f"{HOST}:{file}")
    assert status == 2 and "is not that of the first certificate" in stderr


def test_missing_file_stops_the_start(tmp_path):
    status, stderr = check(tmp_path, f"{HOST}:{tmp_path}/nothing.pem")
    assert status == 2 and "nothing.pem" in stderr and "No such file" in stderr
