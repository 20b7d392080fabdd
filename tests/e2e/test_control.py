# SPDX-License-Identifier: MIT
"""The page's address and the control socket: who is let in, and what they are told."""

import contextlib
import http.client
import json
import re
import resource
import shutil
import socket
import subprocess

import pytest
from harness import wait_until
from harness.conformance import fill
from harness.daemon import run_hark

DAEMON = {"ui": "127.0.0.1:0"}


def ask(hark, path, method="GET", body=None, **fields):
    connection = http.client.HTTPConnection("127.0.0.1", hark.page_port, timeout=10)
    connection.request(method, path, body=body, headers={k.replace("_", "-"): v for k, v in fields.items()})
    response = connection.getresponse()
    response.text = response.read().decode()
    connection.close()
    return response


class OverSocket(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=10)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self.path))


def token(hark):
    return (hark.data_dir / "token").read_text().strip()


def assert_problem(response, status):
    assert response.status == status
    assert response.getheader("Content-Type") == "application/problem+json"
    problem = json.loads(response.text)
    assert problem["status"] == status
    assert problem["title"] and problem["detail"]


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/"])
def test_health_wants_no_token(hark, path):
    response = ask(hark, path)
    assert response.status == 200
    assert response.getheader("Content-Type").startswith("text/plain")
    assert response.getheader("X-Content-Type-Options") == "nosniff"


@pytest.mark.parametrize("field", [None, "", "Bearer", "Bearer x", "Basic {token}", "Bearer {token}x"])
def test_api_over_tcp_wants_the_token(hark, field):
    fields = {} if field is None else {"Authorization": field.format(token=token(hark))}
    response = ask(hark, "/api/v1/status", **fields)
    assert_problem(response, 401)
    assert response.getheader("WWW-Authenticate").startswith("Bearer")
    assert token(hark) not in response.text


def test_api_with_the_token_answers(hark):
    status = json.loads(ask(hark, "/api/v1/status", Authorization=f"Bearer {token(hark)}").text)
    assert status["proxy"] == [hark.proxy_url]
    assert status["page"] == hark.page_url
    assert status["db"] == str(hark.db)
    assert status["pid"] == hark.pid
    assert status["is_recording"] is True


def test_api_over_the_socket_wants_none(hark):
    connection = OverSocket(hark.data_dir / "control.sock")
    connection.request("GET", "/api/v1/status")
    assert json.loads(connection.getresponse().read())["pid"] == hark.pid
    connection.close()


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1",
                                  "127.0.0.1:1", "127.0.0.1.evil.example:{port}"])
@pytest.mark.parametrize("path", ["/livez", "/api/v1/status"])
def test_other_hosts_are_refused_even_with_the_token(hark, host, path):
    response = ask(hark, path, Host=host.format(port=hark.page_port),
                   Authorization=f"Bearer {token(hark)}")
    assert_problem(response, 403)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
def test_names_of_this_machine_are_let_in(hark, host):
    assert ask(hark, "/livez", Host=f"{host}:{hark.page_port}").status == 200


def test_requests_through_the_proxy_do_not_reach_the_page(hark, client):
    host = f"127.0.0.1:{hark.page_port}"
    for path in ("/livez", "/api/v1/status"):
        response = client(hark).ask(f"GET http://{host}{path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert (response.status, response.get("hark-error")) == (403, "forbidden")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_other_methods_are_refused(hark, method):
    response = ask(hark, "/livez", method, body=b"x" * 100_000)
    assert_problem(response, 405)
    assert response.getheader("Allow") == "GET, HEAD, OPTIONS"


def test_head_has_no_body(hark):
    response = ask(hark, "/livez", "HEAD")
    assert (response.status, response.text) == (200, "")
    assert response.getheader("Content-Length") == "3"


def test_unknown_pages_are_a_problem(hark):
    assert_problem(ask(hark, "/nope", Authorization=f"Bearer {token(hark)}"), 404)


def test_nothing_is_for_other_sites(hark):
    response = ask(hark, "/livez", Origin="http://evil.example")
    assert not [name for name, _ in response.getheaders() if name.lower().startswith("access-control")]
    assert "frame-ancestors 'none'" in response.getheader("Content-Security-Policy")


def test_metrics_count_what_passes(hark, origin, client):
    def counted():
        return int(re.search(r"^hark_exchanges_total (\d+)$", ask(hark, "/metrics").text, re.M)[1])

    server, before = origin(), counted()
    client(hark).ask(fill(b"GET {url}/x HTTP/1.1\r\nHost: {host}\r\n\r\n", server))
    assert counted() == before + 1


def samples(text):
    """{name with labels: value}, after a check of the form: HELP, TYPE, then samples of that name."""
    found, name, kind = {}, None, None
    for line in text.splitlines():
        if about := re.match(r"# HELP (\w+) \S.*\.$", line):
            assert name != about[1]
            name, kind = about[1], None
        elif typed := re.match(r"# TYPE (\w+) (counter|gauge|histogram)$", line):
            assert typed[1] == name and kind is None
            kind = typed[2]
            assert (kind == "counter") == name.endswith("_total")
        else:
            sample = re.match(r'(\w+)(\{\w+="[^"]*"(,\w+="[^"]*")*\})? (\S+)$', line)
            suffix = sample[1].removeprefix(name)
            assert suffix in (("_bucket", "_sum", "_count") if kind == "histogram" else ("",))
            assert line.rsplit(" ", 1)[0] not in found
            found[line.rsplit(" ", 1)[0]] = float(sample[4])
    return found


def test_metrics_are_prometheus_text(hark):
    found = samples(ask(hark, "/metrics").text)
    buckets = [n for key, n in found.items() if key.startswith("hark_recorder_commit_seconds_bucket")]
    assert buckets == sorted(buckets)
    assert buckets[-1] == found["hark_recorder_commit_seconds_count"]
    assert found["process_open_fds"] > 5 and found["process_resident_memory_bytes"] > 1 << 20
    assert found["process_cpu_seconds_total"] > 0


def test_metrics_pass_promtool(hark):
    """Where Prometheus is installed its own tool has the last word."""
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is not installed")
    text = ask(hark, "/metrics").text
    done = subprocess.run(
        [tool, "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_metrics_tell_statuses_bytes_errors_and_commits(daemon, origin, client):
    hark = daemon(ui="127.0.0.1:0")
    ok = origin(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
    gone = origin(b"HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno")
    dead = b"GET http://127.0.0.1:1/ HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n"
    post = b"POST {url}/x HTTP/1.1\r\nHost: {host}\r\nContent-Length: 3\r\n\r\nabc"
    assert client(hark).ask(fill(post, ok)).status == 200
    assert client(hark).ask(fill(b"GET {url}/x HTTP/1.1\r\nHost: {host}\r\n\r\n", gone)).status == 404
    failed = client(hark).ask(dead)
    assert failed.status == 502
    hark.wait_rows("state <> 'pending'", count=3)
    wait_until(
        lambda: samples(ask(hark, "/metrics").text)["hark_recorder_records_total"] >= 3, "a commit"
    )
    found = samples(ask(hark, "/metrics").text)
    ended = 'hark_exchanges_ended_total{kind="http",status="%s"}'
    assert [found[ended % c] for c in ("2xx", "4xx", "5xx", "3xx")] == [1, 1, 1, 0]
    assert found['hark_exchange_errors_total{code="connect"}'] == 1
    assert found['hark_body_bytes_total{side="request"}'] == 3
    assert found['hark_body_bytes_total{side="response"}'] == 7 + len(failed.body)
    assert found["hark_accepted_connections_total"] == 3
    assert found["hark_upstream_connections_total"] == 3
    assert found["hark_recorder_commit_seconds_count"] >= 1
    assert found["hark_ready"] == 1


def test_status_tells_what_the_daemon_does(hark):
    done = hark.cli("status")
    assert done.returncode == 0
    assert hark.proxy_url in done.stdout and str(hark.db) in done.stdout
    assert json.loads(hark.cli("status", "--json").stdout)["pid"] == hark.pid


def test_status_without_a_daemon_exits_4(tmp_path):
    for folder in ("missing", "."):
        done = run_hark("status", "--data-dir", tmp_path / folder, home=tmp_path)
        assert (done.returncode, done.stdout) == (4, "")
        assert "hark serve" in done.stderr


def test_status_ignores_the_proxy_of_the_environment(hark):
    env = {"http_proxy": "http://127.0.0.1:1", "ALL_PROXY": "http://127.0.0.1:1"}
    assert hark.cli("status", env=env).returncode == 0


def test_a_full_disk_is_told_and_traffic_goes_on(daemon, origin, client):
    limit = 1 << 20
    hark = daemon(ui="127.0.0.1:0",
                  preexec=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    server = origin(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (2 * limit) + b"x" * (2 * limit))
    request = fill(b"GET {url}/x HTTP/1.1\r\nHost: {host}\r\n\r\n", server)
    assert len(client(hark).ask(request).body) == 2 * limit
    wait_until(lambda: ask(hark, "/readyz").status == 503, "/readyz to say no")
    assert_problem(ask(hark, "/readyz"), 503)
    assert ask(hark, "/livez").status == 200
    assert "NOT recording" in hark.cli("status").stdout
    assert client(hark).ask(request).status == 200


def test_not_recording_on_purpose_is_ready(daemon):
    hark = daemon(settings=["mode=off"], ui="127.0.0.1:0")
    assert ask(hark, "/readyz").status == 200
    assert "NOT recording" in hark.cli("status").stdout


def test_idle_connections_do_not_keep_others_out(hark):
    idle = [socket.create_connection(("127.0.0.1", hark.page_port)) for _ in range(10)]
    assert ask(hark, "/livez").status == 200
    assert hark.cli("status").returncode == 0
    for one in idle:
        one.close()


def test_a_crowd_that_drips_keeps_nobody_out(daemon):
    """512 connections is what the page has; a stream that was begun with the token stays."""
    hark = daemon(ui="127.0.0.1:0")
    address = ("127.0.0.1", hark.page_port)
    with contextlib.ExitStack() as open_ones:
        stream = open_ones.enter_context(socket.create_connection(address, timeout=10))
        stream.sendall(
            f"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1:{hark.page_port}\r\n"
            f"Authorization: Bearer {token(hark)}\r\n\r\n".encode()
        )
        assert stream.recv(12) == b"HTTP/1.1 200"
        crowd = [open_ones.enter_context(socket.create_connection(address, timeout=10))
                 for _ in range(600)]
        for number, guest in enumerate(crowd):
            with contextlib.suppress(ConnectionError):
                guest.sendall(b"GET /livez HTTP/1.1\r\nX: " if number % 2 else
                              b"POST /livez HTTP/1.1\r\nContent-Length: 9\r\n\r\n")
        for _ in range(5):
            assert ask(hark, "/livez").status == 200
        with contextlib.suppress(ConnectionError):
            assert crowd[0].recv(1) == b""
        stream.settimeout(0.1)
        with contextlib.suppress(TimeoutError):
            while True:
                assert stream.recv(4096) != b"", "the stream was ended"
