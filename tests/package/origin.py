# SPDX-License-Identifier: MIT
"""An origin over HTTP and HTTPS that says hello: origin.py FOLDER writes port, tls-port and ca.pem there."""

import http.server
import pathlib
import ssl
import subprocess
import sys
import threading


class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"hello\n")

    def log_message(self, *_):
        pass


folder = pathlib.Path(sys.argv[1])
folder.mkdir()
subprocess.run(
    ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
     "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
     "-keyout", folder / "key.pem", "-out", folder / "ca.pem"],
    check=True, stderr=subprocess.DEVNULL,
)
plain = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hello)
secret = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hello)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(folder / "ca.pem", folder / "key.pem")
secret.socket = context.wrap_socket(secret.socket, server_side=True)
threading.Thread(target=secret.serve_forever, daemon=True).start()
(folder / "tls-port").write_text(str(secret.server_port))
(folder / "port").write_text(str(plain.server_port))
plain.serve_forever()
