# SPDX-License-Identifier: MIT
"""An nginx with a folder of its own: an origin that many people run, beside the hand-made one."""

import contextlib
import random
import socket
import subprocess
from pathlib import Path

from .wait import SCALE, wait_until

CONFIG = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
    access_log {folder}/access.log;
    default_type application/octet-stream;
    types {{ application/json json; text/html html; text/plain txt; }}
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    sendfile on;
    keepalive_requests 100000;
    gzip_types application/json text/plain;
    gzip_min_length 100;
    server {{
        listen 127.0.0.1:{port};
        root {folder}/files;
        location = /json {{ default_type application/json; return 200 '{{"name": "hark"}}'; }}
        location = /no-content {{ return 204; }}
        location = /moved {{ return 302 /json; }}
        location /zipped/ {{ alias {folder}/files/; gzip on; }}
    }}
}}
"""


def free_port():
    """Free on every address, and none of those that connections get for their own end."""
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("0.0.0.0", random.randrange(10_000, 32_768)))
            return probe.getsockname()[1]


class Nginx:
    def __init__(self, folder):
        self.folder = Path(folder)
        self.files = self.folder / "files"
        self.files.mkdir(parents=True)
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.host}"
        config = self.folder / "nginx.conf"
        config.write_text(CONFIG.format(folder=self.folder, port=self.port))
        self.process = subprocess.Popen(
            [
                "nginx",
                "-p",
                str(self.folder),
                "-c",
                str(config),
                "-e",
                str(self.folder / "error.log"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(self._answers, "nginx to listen")

    def _answers(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def put(self, name, data):
        (self.files / name).write_bytes(data)
        return f"{self.url}/{name}"

    def close(self):
        self.process.terminate()
        self.process.wait(5 * SCALE)
