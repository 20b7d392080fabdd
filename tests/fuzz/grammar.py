# SPDX-License-Identifier: MIT
"""Bytes that are nearly what a proxy, an origin or the API expects: made by a grammar, so that they
get past the first check, and then damaged, so that they do not get past all."""

import base64
import json
import zlib

HOST = "fuzz.example"
# Where parsers go wrong: ends of ranges, ends of lines, what stands for something else.
EDGES = [
    b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b",", b";", b"=", b"%00", b"%0d%0a", b"\xff",
    b"\xc3\x28", b"\x80", b"-1", b"0", b"+5", b"18446744073709551616", b"9223372036854775807",
    b"ffffffffffffffff", b"0x10", b"chunked", b"close", b"upgrade", b"\r\n\r\n", b"0\r\n\r\n",
    b"HTTP/1.1", b"GET ", b"CONNECT ", b"http://", b"[::1]", b"127.1", b"..", b"?", b"#", b"@",
]
METHODS = ["GET", "GET", "GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "TRACE", "get", "M-FOO"]
FIELDS = [
    ("Accept", "*/*"), ("Connection", "close"), ("Connection", "keep-alive, X-A"), ("X-A", ""),
    ("Proxy-Connection", "keep-alive"), ("Expect", "100-continue"), ("TE", "trailers"),
    ("Cookie", "a=b; secret=c"), ("Authorization", "Basic dTpw"), ("Max-Forwards", "0"),
    ("Via", "1.1 somebody"), ("Upgrade", "h2c"), ("Range", "bytes=0-1"), ("Trailer", "X-T"),
    ("Content-Type", "application/json"), ("Content-Type", "application/x-www-form-urlencoded"),
    ("Content-Type", "text/event-stream"), ("Content-Encoding", "gzip"),
    ("Content-Encoding", "br, zstd"), ("Transfer-Encoding", "chunked"), ("Content-Length", "3"),
    ("Keep-Alive", "timeout=5"), ("Proxy-Authorization", "Basic Og=="), ("X-Long", "y" * 3000),
    ("Set-Cookie", "sid=1; Path=/"), ("Location", "http://elsewhere.example/"),
]
STATUSES = [200, 200, 200, 200, 201, 204, 206, 301, 304, 400, 407, 417, 500, 503, 999, 100, 103, 101]
UPGRADE = ("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
           "Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n")
SWITCH = (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
          b"Sec-WebSocket-Accept: Kfh9QIsMVZcl6xEPYxPHzW8SZ8w=\r\n\r\n")
FILTERS = ["", "status:5xx", "host:fuzz* or is:error", "body:a -is:pending", "id:1..9", "since:1m",
           "header:cookie=a", "(method:GET", 'url:"a b', "size:>1k dur:<1s", "is:websocket"]


class Grammar:
    def __init__(self, random):
        self.random = random
        self.pick = random.choice

    def chance(self, part):
        return self.random.random() < part

    # -- damage ----------------------------------------------------------------------------------

    def damage(self, data):
        """As it is in most cases; else with a few bytes changed, lost, repeated or put in."""
        data = bytearray(data)
        if self.chance(0.5):
            return bytes(data)
        for _ in range(self.pick([1, 1, 1, 2, 5])):
            at = self.random.randrange(len(data) + 1)
            length = self.random.randrange(1, 9)
            how = self.random.randrange(5)
            if how == 0:
                data[at : at + 1] = self.random.randbytes(1)
            elif how == 1:
                del data[at : at + length]
            elif how == 2:
                data[at:at] = data[at : at + length] * self.pick([1, 2, 40])
            elif how == 3:
                data[at:at] = self.pick(EDGES)
            else:
                del data[at:]
        return bytes(data)

    def pieces(self, data):
        """The same bytes in several writes."""
        if self.chance(0.6):
            return [data]
        cuts = sorted(self.random.randrange(len(data) + 1) for _ in range(self.pick([1, 2, 6])))
        return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)])]

    # -- HTTP ------------------------------------------------------------------------------------

    def fields(self):
        count = self.pick([0, 0, 1, 2, 4, 30])
        return "".join(f"{name}: {value}\r\n" for name, value in self.random.choices(FIELDS, k=count))

    def content(self):
        size = self.pick([0, 1, 3, 60, 2000, 20_000])
        kind = self.random.randrange(4)
        if kind == 0:
            return self.random.randbytes(size)
        if kind == 1:
            return zlib.compress(b"a body" * size)[:size]
        if kind == 2:
            return json.dumps({"password": "p" * (size % 99), "items": [1, None, {"a": size}]}).encode()
        return (b"data: \xc3\xa4 event\n\n" * size)[:size]

    def framed(self):
        """(fields, body) that belong together"""
        body = self.content()
        kind = self.random.randrange(3)
        if kind == 0:
            return f"Content-Length: {len(body)}\r\n", body
        if kind == 1:
            return "Transfer-Encoding: chunked\r\n", self.chunked(body)
        return "", b""

    def chunked(self, body):
        out, at = b"", 0
        while at < len(body):
            part = body[at : at + self.random.randrange(1, 9000)]
            extension = self.pick([b"", b"", b";a=b", b' ; q="\\""'])
            out += b"%x%b\r\n%b\r\n" % (len(part), extension, part)
            at += len(part)
        return out + b"0\r\n" + self.pick([b"", b"", b"X-T: trailer\r\n"]) + b"\r\n"

    def path(self):
        return "/" + "".join(self.random.choices(
            ["a", "b/", "..", "%2f", "?", "&token=abc", "=", "%", "x" * 50, "\u00e4", ";"],
            k=self.random.randrange(8)))

    def request(self, is_origin_form=False):
        where = "" if is_origin_form else self.pick(
            [f"http://{HOST}"] * 8 + [f"https://{HOST}", "http://127.0.0.1:1", "", "HTTP://FUZZ.example:80"])
        framing, body = self.framed()
        head = (f"{self.pick(METHODS)} {where}{self.path()} HTTP/1.{self.pick('1111110')}\r\n"
                f"Host: {HOST}\r\n{self.fields()}{framing}\r\n")
        return head.encode() + body

    def requests(self, **options):
        """One, or several at once."""
        return b"".join(self.request(**options) for _ in range(self.pick([1, 1, 1, 2, 5])))

    def upgrade(self, is_origin_form=False):
        where = "" if is_origin_form else f"http://{HOST}"
        head = f"GET {where}/websocket HTTP/1.1\r\nHost: {HOST}\r\n{UPGRADE}\r\n"
        return head.encode() + self.frames(is_masked=True)

    def response(self):
        framing, body = self.framed()
        head = (f"HTTP/1.{self.pick('1111110')} {self.pick(STATUSES)} {self.pick(['OK', '', 'a b'])}\r\n"
                f"{self.fields()}{framing}\r\n")
        return head.encode() + (body or self.content())

    def responses(self, request):
        """What an origin says to `request`."""
        interim = self.pick([b"", b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"])
        if b"websocket" in request.lower() and self.chance(0.8):
            return SWITCH + self.damage(self.frames(is_masked=self.chance(0.1)))
        if self.chance(0.05):
            return self.random.randbytes(self.random.randrange(300))
        return self.damage(interim + self.response() * self.pick([1, 1, 1, 2]))

    # -- other protocols -------------------------------------------------------------------------

    def frames(self, is_masked):
        return b"".join(self.frame(is_masked) for _ in range(self.random.randrange(1, 6)))

    def frame(self, is_masked):
        data = self.random.randbytes(self.pick([0, 1, 5, 125, 126, 300, 66_000]))
        first = self.pick([0x81, 0x81, 0x82, 0x01, 0x80, 0x00, 0x88, 0x89, 0x8A, 0xC1, 0x83, 0xF1])
        length = len(data) + (self.pick([1, -1, 1 << 40]) if self.chance(0.05) else 0)
        length = max(length, 0)
        mask_bit = 0x80 if is_masked else 0
        if length < 126:
            head = bytes([first, mask_bit | length])
        elif length < 1 << 16:
            head = bytes([first, mask_bit | 126]) + length.to_bytes(2, "big")
        else:
            head = bytes([first, mask_bit | 127]) + length.to_bytes(8, "big")
        return head + (self.random.randbytes(4) if is_masked else b"") + data

    def connect(self):
        authority = self.pick([f"{HOST}:443", f"{HOST}:80", f"{HOST}:80", "127.0.0.1:1", HOST, ":", "[::1]:0"])
        return f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{self.fields()}\r\n".encode()

    def socks(self):
        methods = self.pick([b"\x00", b"\x02", b"\x00\x02", b"\xff" * 255])
        name = HOST.encode()
        to = self.pick([b"\x03" + bytes([len(name)]) + name, b"\x01\x7f\x00\x00\x01",
                        b"\x04" + bytes(16), b"\x03\x00", b"\x09"])
        port = self.pick([b"\x00\x50", b"\x01\xbb", b"\x00\x00"])
        login = self.pick([b"", b"", b"\x01\x01u\x01p"])
        command = self.pick([b"\x05\x01\x00", b"\x05\x01\x00", b"\x05\x02\x00", b"\x04\x01\x00"])
        return (b"\x05" + bytes([len(methods)]) + methods + login + command + to + port +
                self.pick([b"", self.request(is_origin_form=True), self.record()]))

    def record(self):
        """A TLS record, mostly a hello."""
        body = b"\x01" + self.random.randbytes(self.pick([3, 40, 400]))
        return (bytes([self.pick([22, 22, 22, 21, 23, 20]), 3, self.pick([1, 3, 0])]) +
                len(body).to_bytes(2, "big") + body)

    # -- the API ---------------------------------------------------------------------------------

    def api(self, token):
        filter_words = self.damage(self.pick(FILTERS).encode())
        words = "".join(f"%{byte:02x}" for byte in filter_words)
        number = self.pick(["1", "2", "17", "999999", "-1", "x", "@last", "9223372036854775808"])
        method, path, body = self.pick([
            ("GET", "/", ""), ("GET", "/livez", ""), ("GET", "/readyz", ""), ("GET", "/metrics", ""),
            ("GET", f"/api/v1/exchanges?filter={words}&limit={number}", ""),
            ("GET", f"/api/v1/exchanges/{number}", ""),
            ("GET", f"/api/v1/exchanges/{number}/messages?limit=3", ""),
            ("GET", f"/api/v1/exchanges/{number}/response/body?raw={number}", ""),
            ("GET", f"/api/v1/exchanges/{number}/request/body", ""),
            ("GET", f"/api/v1/diff?a=1&b={number}", ""), ("GET", "/api/v1/status", ""),
            ("GET", f"/api/v1/export?format={self.pick(['har', 'curl', 'jsonl', 'x'])}&filter={words}", ""),
            ("GET", f"/api/v1/events?filter={words}", ""), ("GET", f"/api/v1/stats?filter={words}", ""),
            ("PUT", f"/api/v1/exchanges/{number}/note", json.dumps({"marked": True, "text": "t"})),
            ("DELETE", f"/api/v1/exchanges?filter=id:{number}", ""),
            ("POST", "/api/v1/replay", json.dumps({"filter": f"id:{number}"})),
            ("POST", "/api/v1/replay", json.dumps({"ids": [number], "rate": -1})),
            ("POST", "/api/v1/import?name=a", self.har()),
            ("POST", "/api/v1/sessions", json.dumps({"command": "fuzz"})),
        ])
        login = self.pick([f"Authorization: Bearer {token}\r\n"] * 6 + ["", "Authorization: Bearer x\r\n"])
        host = self.pick(["localhost"] * 5 + ["evil.example", "127.0.0.1"])
        length = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
        last = self.pick(["", f"Last-Event-ID: {number}-{words[:30]}\r\n"])
        return (f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{login}{length}{last}\r\n{body}").encode()

    def har(self):
        entry = {"startedDateTime": "2026-01-01T00:00:00Z", "time": 1, "request": {
            "method": "GET", "url": f"http://{HOST}/har", "httpVersion": "HTTP/1.1", "headers": []},
            "response": {"status": 200, "headers": [], "content": {
                "encoding": "base64", "text": base64.b64encode(self.content()).decode()}}}
        return json.dumps({"log": {"version": "1.2", "entries": [entry] * self.random.randrange(3)}})
