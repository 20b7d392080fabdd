# SPDX-License-Identifier: MIT
"""TLS on both sides of hark: origins that speak it, and clients that go through a tunnel."""

import select
import socket
import ssl

from .client import RawClient
from .message import Reader
from .origin import RawOrigin

HOST = "api.example.com"


class TlsOrigin(RawOrigin):
    """A RawOrigin behind TLS; `server_names` are the SNIs that were asked for, in order."""

    def __init__(self, context, *args, **options):
        self.context = context
        self.server_names = []
        self.handshake_failures = []
        context.sni_callback = lambda _sock, name, _context: self.server_names.append(name)
        super().__init__(*args, **options)

    def _serve(self, conn):
        try:
            conn.sock = conn.reader.sock = self.context.wrap_socket(conn.sock, server_side=True)
        except OSError as failure:
            self.handshake_failures.append(failure)
            conn.close()
            return
        super()._serve(conn)


def pass_on(port):
    """A handler that puts a server of this machine behind it: what comes goes there, and back."""

    def handle(conn):
        with socket.create_connection(("127.0.0.1", port)) as inner:
            conn.sock.settimeout(30)
            other, open_ends = {conn.sock: inner, inner: conn.sock}, [conn.sock, inner]
            while open_ends:
                pending = conn.sock in open_ends and conn.sock.pending() > 0
                ready = [conn.sock] if pending else select.select(open_ends, [], [])[0]
                for sock in ready:
                    data = sock.recv(65536)
                    if data:
                        other[sock].sendall(data)
                        continue
                    open_ends.remove(sock)
                    if sock is inner:
                        return
                    inner.shutdown(socket.SHUT_WR)

    return handle


def client_context(ca_file, strict=True):
    context = ssl.create_default_context(cafile=str(ca_file))
    if strict:
        context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


def open_tunnel(peer, authority, behind=b"", fields=b""):
    """CONNECT; `behind` goes out in the same write. Returns the head of the answer."""
    name = authority.encode()
    peer.send(b"CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s\r\n" % (name, name, fields) + behind)
    return peer.reader.head()


def start_tls(peer, context, server_name):
    peer.sock = context.wrap_socket(peer.sock, server_hostname=server_name)
    peer.reader = Reader(peer.sock, peer.reader.seconds)
    return peer


def hello_bytes(server_name, context=None):
    """(the bytes of a client hello, the ssl object that goes on with it, its two BIOs)"""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    if context is None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    session = context.wrap_bio(incoming, outgoing, server_hostname=server_name)
    try:
        session.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read(), session, incoming, outgoing


class TlsClient(RawClient):
    """A RawClient whose requests go through CONNECT and TLS."""

    def __init__(self, daemon, authority=f"{HOST}:443", server_name=HOST, context=None, **options):
        super().__init__(daemon.proxy_port, **options)
        try:
            self.established = open_tunnel(self, authority)
            assert " 200 " in self.established.start_line, self.established.start_line
            start_tls(self, context or client_context(daemon.data_dir / "ca.pem"), server_name)
        except BaseException:
            self.close()
            raise

    def certificate(self):
        return self.sock.getpeercert(binary_form=True)


def exchange_at_once(peer, sent, seconds):
    """Send and read at the same time, on one thread, until all is sent; returns what came."""
    received, position = bytearray(), 0
    peer.sock.setblocking(False)
    while position < len(sent):
        readable, writable, _ = select.select([peer.sock], [peer.sock], [], seconds)
        assert readable or writable, f"stuck after {position} bytes sent, {len(received)} read"
        try:
            while data := peer.sock.recv(65536):
                received += data
            raise AssertionError(f"closed after {position} bytes")
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        try:
            position += peer.sock.send(sent[position : position + 16384])
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
    peer.sock.settimeout(seconds)
    return received
