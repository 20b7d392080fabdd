# SPDX-License-Identifier: MIT
"""The servers that hark is measured with: each a process of its own on a free port."""

import os
import pathlib
import socket
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from harness import wait_until  # noqa: E402
from harness.nginx import free_port  # noqa: E402

NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
events {{ worker_connections 30000; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 100000000;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            default_type application/json;
            return 200 '{{"id": 4275, "name": "hark", "tags": ["flight", "recorder"]}}';
        }}
    }}
}}
"""

SQUID = """
http_port 127.0.0.1:{port}
http_access allow all
cache deny all
access_log stdio:{folder}/access.log
cache_log {folder}/cache.log
pid_filename {folder}/squid.pid
coredump_dir {folder}
pinger_enable off
shutdown_lifetime 0 seconds
max_filedescriptors 4096
"""


class Server:
    """A process that listens on `port`; `command` and `config` may name {port} and {folder}."""

    def __init__(self, folder, command, config=""):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        self.folder.chmod(0o777)  # squid becomes another user
        self.port = free_port()
        names = {"port": self.port, "folder": self.folder}
        (self.folder / "config").write_text(config.format(**names))
        self.log = (self.folder / "log").open("wb")
        self.process = subprocess.Popen(
            [word.format(**names) for word in command], stdin=subprocess.DEVNULL,
            stdout=self.log, stderr=self.log, env={**os.environ, "HOME": str(self.folder)})
        wait_until(self._answers, f"{command[0]} to listen", seconds=20)

    def _answers(self):
        assert self.process.poll() is None, (self.folder / "log").read_text(errors="replace")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def nginx(folder):
    return Server(folder, ["nginx", "-p", "{folder}", "-e", "{folder}/error.log", "-c",
                           "{folder}/config"], NGINX)


def nginx_tls(folder, pair):
    """`pair`: a certificate and its key, as harness.pki makes them."""
    listen = "listen 127.0.0.1:{port} backlog=4096"
    lines = [f"{listen} ssl", f"ssl_certificate {pair.chain_file}",
             f"ssl_certificate_key {pair.key}", "ssl_session_cache off", "ssl_session_tickets off"]
    return Server(folder, ["nginx", "-p", "{folder}", "-e", "{folder}/error.log", "-c",
                           "{folder}/config"], NGINX.replace(listen, ";\n        ".join(lines)))


def squid(folder):
    # A service name of its own: two squids of one name meet in /dev/shm.
    return Server(folder, ["squid", "-N", "-n", "hark{port}", "-f", "{folder}/config"], SQUID)


def mitmdump(folder):
    return Server(folder, ["mitmdump", "-q", "--listen-host", "127.0.0.1", "-p", "{port}",
                           "--set", "confdir={folder}", "--set", "ssl_insecure=true", "-w",
                           "{folder}/flows"])
