# SPDX-License-Identifier: MIT
"""Clients that people use, told of the proxy and of hark's authority, asking for https:// URLs."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from harness import SCALE
from harness.daemon import clean_environment

PYTHON = {
    "requests": """
import requests
with requests.Session() as session:
    print(session.get(URL + "/get").text)
    print(session.post(URL + "/post", json={"a": 1}).text)
""",
    "httpx": """
import httpx, ssl, os
with httpx.Client(verify=ssl.create_default_context(cafile=CA)) as session:
    print(session.get(URL + "/get").text)
    print(session.post(URL + "/post", json={"a": 1}).text)
""",
    "urllib": """
from urllib.request import Request, urlopen
print(urlopen(URL + "/get").read().decode())
json_type = {"Content-Type": "application/json"}
print(urlopen(Request(URL + "/post", data=b'{"a": 1}', headers=json_type)).read().decode())
""",
    "http.client": """
import http.client
connection = http.client.HTTPSConnection("127.0.0.1", PORT)
connection.set_tunnel("api.example.com", 443)
connection.request("GET", "/get")
print(connection.getresponse().read().decode())
connection.request("POST", "/post", b'{"a": 1}', {"Content-Type": "application/json"})
print(connection.getresponse().read().decode())
""",
    "aiohttp": """
import aiohttp, asyncio, ssl
async def main():
    trust = ssl.create_default_context(cafile=CA)
    async with aiohttp.ClientSession(trust_env=True) as session:
        async with session.get(URL + "/get", ssl=trust) as answer:
            print(await answer.text())
        async with session.post(URL + "/post", json={"a": 1}, ssl=trust) as answer:
            print(await answer.text())
asyncio.run(main())
""",
}
NODE = """
const http = require("http"), https = require("https"), tls = require("tls");
const connect = http.request({port: PORT, method: "CONNECT", path: "api.example.com:443"});
connect.on("connect", (_, socket) => {
  const secure = tls.connect({socket, servername: "api.example.com"});
  const agent = new https.Agent();
  agent.createConnection = () => secure;
  const headers = {"Content-Type": "application/json", "Content-Length": 8};
  const options = {host: "api.example.com", path: "/post", method: "POST", headers, agent};
  https.request(options, (answer) => answer.pipe(process.stdout)).end('{"a": 1}');
});
connect.end();
"""


def answer(conn):
    while request := conn.read_request():
        body = json.dumps([request.method, request.target, request.body.decode()]).encode()
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


@pytest.fixture
def run(tls_origin, https_daemon):
    """run(command) → (daemon, the lines it printed): with the variables that lead it to hark."""
    hark = https_daemon(tls_origin(answer))
    authority = hark.data_dir / "ca.pem"

    def run_command(*command):
        trust = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "CURL_CA_BUNDLE")
        environment = clean_environment(
            hark.home, **dict.fromkeys(trust, authority),
            https_proxy=hark.proxy_url, HTTPS_PROXY=hark.proxy_url)
        done = subprocess.run(
            command, env=environment, cwd=hark.home, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30 * SCALE, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return hark, done.stdout.decode().splitlines()

    run_command.hark = hark
    return run_command


def assert_recorded(hark, printed, *expected):
    assert [json.loads(line) for line in printed] == [list(one) for one in expected]
    rows = hark.wait_rows("kind = 'http'", count=len(expected))
    assert [row["method"] for row in rows] == [method for method, _, _ in expected]
    for row, (_, path, body) in zip(rows, expected):
        assert (row["scheme"], row["host"], row["path"]) == ("https", "api.example.com", path)
        assert (row["state"], row["status"], row["error"]) == ("done", 200, None)
        assert hark.body(row["id"], "request").decode() == body
    assert hark.value("SELECT count(*) FROM exchange WHERE error IS NOT NULL") == 0


@pytest.mark.parametrize("library", PYTHON)
def test_python(run, library):
    if library in ("requests", "httpx", "aiohttp"):
        pytest.importorskip(library)
    hark = run.hark
    names = f'URL, PORT = "https://api.example.com", {hark.proxy_port}\n'
    names += f'CA = "{hark.data_dir / "ca.pem"}"\n'
    hark, printed = run(sys.executable, "-c", names + PYTHON[library])
    posted = hark.body(hark.wait_row("method = 'POST'")["id"], "request").decode()
    assert json.loads(posted) == {"a": 1}
    assert_recorded(hark, printed, ("GET", "/get", ""), ("POST", "/post", posted))


def test_curl(run):
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    url = "https://api.example.com"
    hark, printed = run("curl", "-sS", "-w", "\\n", f"{url}/get", f"{url}/again")
    assert_recorded(hark, printed, ("GET", "/get", ""), ("GET", "/again", ""))


def test_curl_that_tunnels_plain_http(run, origin):
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    server = origin()
    hark, printed = run("curl", "-sS", "-p", "-x", run.hark.proxy_url, f"{server.url}/plain")
    assert printed == ["ok"]
    row = hark.wait_row("path = '/plain'")
    assert (row["kind"], row["scheme"], row["port"]) == ("http", "http", server.port)


def test_curl_over_a_large_upload(run, tmp_path):
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    body = os.urandom(1 << 20).hex()
    (tmp_path / "body").write_text(body)
    hark, printed = run("curl", "-sS", "-T", str(tmp_path / "body"), "https://api.example.com/up")
    assert_recorded(hark, printed, ("PUT", "/up", body))


def test_node(run):
    if not shutil.which("node"):
        pytest.skip("node is not installed")
    script = f"const PORT = {run.hark.proxy_port};" + NODE
    hark, printed = run("node", "-e", script)
    assert_recorded(hark, printed, ("POST", "/post", '{"a": 1}'))


def test_wget(run):
    if not shutil.which("wget"):
        pytest.skip("wget is not installed")
    authority = run.hark.data_dir / "ca.pem"
    url = "https://api.example.com/get"
    hark, printed = run("wget", "-q", f"--ca-certificate={authority}", "-O", "-", url)
    assert_recorded(hark, printed, ("GET", "/get", ""))
