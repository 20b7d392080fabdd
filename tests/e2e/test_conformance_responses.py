# SPDX-License-Identifier: MIT
"""Conformance: responses, whole and broken (RFC 9112 sections 6 to 9)."""

import gzip
import hashlib
import os
import threading

import pytest
from harness.conformance import cases, fill
from harness.daemon import fields_of
from harness.origin import OK, reply_and_close, replies

GET = b"GET {url}/x HTTP/1.1\r\nHost: {host}\r\n\r\n"
HEAD = b"HEAD {url}/x HTTP/1.1\r\nHost: {host}\r\n\r\n"


def assert_bad_response(hark, peer, response, error=("bad-response",)):
    assert response.status == 502
    assert response.get("hark-error") in error
    assert response.complete
    row = hark.row_of(peer)
    assert row["error"] in error
    assert row["error_text"]
    assert row["state"] == "upstream-error"


@cases(
    l46_head_length=(HEAD, b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
    l46_head_zero=(HEAD, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    l46_head_chunked=(HEAD, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
    l46_head_without_length=(HEAD, b"HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\n"),
    l46_head_404=(HEAD, b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\n"),
    l46_no_content=(GET, b"HTTP/1.1 204 No Content\r\n\r\n"),
    l46_no_content_with_length=(GET, b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"),
    l46_not_modified=(GET, b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n'),
    l46_not_modified_with_length=(
        GET,
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n",
    ),
    l46_not_modified_chunked=(
        GET,
        b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n",
    ),
    l46_head_not_modified=(HEAD, b"HTTP/1.1 304 Not Modified\r\n\r\n"),
)
def test_response_without_body(hark, origin, client, case, given):
    asked, answer = given
    server = origin(replies(answer, OK))
    peer = client(hark)
    method = asked.split(b" ")[0].decode()
    response = peer.ask(fill(asked, server), method=method)
    assert response.status == int(answer.split(b" ")[1])
    assert response.get("content-length") in (None, "0", "9", "1000")
    if b"1000" in answer:
        assert response.get("content-length") == "1000"
    if response.closes:
        peer.assert_closed()
        peer = client(hark)
    second = peer.ask(fill(GET, server))
    assert (second.status, second.body) == (200, b"ok")
    row = hark.row_of(peer)
    assert row["state"] == "done"


@cases(
    l47_two_differing=b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk",
    l47_two_differing_apart=b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-A: 1\r\ncontent-length: 2\r\n\r\nokk",
    l47_differing_list=b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nokk",
    l47_letter=b"HTTP/1.1 200 OK\r\nContent-Length: 2x\r\n\r\nok",
    l47_minus=b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
    l47_plus=b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
    l47_hex=b"HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nok",
    l47_word=b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok",
    l47_empty=b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nok",
    l47_two_to_the_64=b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551618\r\n\r\nok",
    l48_unknown=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: rot13\r\n\r\nok",
    l48_unknown_then_chunked=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: rot13, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    l48_xchunked=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    l48_chunked_twice=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    l48_chunked_then_gzip=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    l48_gzip_then_chunked=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
)
def test_response_with_bad_framing(hark, origin, client, case, given):
    server = origin(reply_and_close(given))
    peer = client(hark)
    assert_bad_response(hark, peer, peer.ask(fill(GET, server)))


@cases(
    l47_length_first=b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
    l47_length_last=b"Transfer-Encoding: chunked\r\nContent-Length: 100\r\n",
)
def test_response_transfer_encoding_wins(hark, origin, client, case, given):
    server = origin(b"HTTP/1.1 200 OK\r\n" + given + b"\r\n2\r\nok\r\n0\r\n\r\n")
    peer = client(hark)
    response = peer.ask(fill(GET, server))
    assert (response.status, response.body, response.complete) == (200, b"ok", True)
    assert response.framing == "chunked" or response.all("content-length") == ["2"]
    assert hark.row_of(peer)["state"] == "done"


@cases(
    l47_twin=b"Content-Length: 2\r\nContent-Length: 2\r\n",
    l47_list_of_equals=b"Content-Length: 2, 2\r\n",
)
def test_response_equal_lengths_are_merged_or_refused(hark, origin, client, case, given):
    server = origin(b"HTTP/1.1 200 OK\r\n" + given + b"\r\nok")
    response = client(hark).ask(fill(GET, server))
    if response.status != 502:
        assert response.body == b"ok"
        assert response.all("content-length") == ["2"]


@cases(
    l49_short=b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
    l49_no_body_at_all=b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
    l49_no_last_chunk=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    l49_inside_a_chunk=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhello",
    l49_no_chunks=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    l49_bad_chunk_size=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
    l49_inside_the_trailers=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n",
)
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_response_cut_short(hark, origin, client, case, given, version):
    server = origin(reply_and_close(given))
    peer = client(hark)
    ask = fill(GET.replace(b"HTTP/1.1", b"HTTP/" + version.encode()), server)
    response = peer.ask(ask)
    if response.status == 502:  # nothing of the body had come when the origin closed
        assert b"hello" not in given
    elif version == "1.1":
        assert not response.complete
    row = hark.row_of(peer)
    assert row["state"] == "truncated" or response.status == 502
    assert row["error"], dict(row)
    if b"hello" in given:
        assert hark.body(row["id"], "response") == b"hello"


@cases(
    l50_status_line=b"HTTP/1.1 200 OK",
    l50_after_status_line=b"HTTP/1.1 200 OK\r\n",
    l50_inside_a_field=b"HTTP/1.1 200 OK\r\nContent-Le",
    l50_before_the_empty_line=b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n",
    l50_half_of_the_empty_line=b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r",
    l50_after_an_interim=b"HTTP/1.1 103 Early Hints\r\n\r\n",
    l50_inside_an_interim=b"HTTP/1.1 103 Early Hints\r\nLink: <",
    l50_nothing=b"",
)
def test_response_head_cut_short(hark, origin, client, case, given):
    server = origin(reply_and_close(given))
    peer = client(hark)
    assert_bad_response(hark, peer, peer.ask(fill(GET, server)), ("bad-response", "upstream-reset"))


@cases(
    l51_space=b"X-A: one\r\n two\r\n",
    l51_tab=b"X-A: one\r\n\t two\r\n",
    l51_last_field=b"X-B: 1\r\nX-A: one\r\n   two\r\n",
)
def test_response_obs_fold_is_joined_or_refused(hark, origin, client, case, given):
    server = origin(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + given + b"\r\nok")
    response = client(hark).ask(fill(GET, server))
    if response.status != 502:
        assert response.body == b"ok"
        assert " ".join(response.get("x-a").split()) == "one two"
        assert "\r" not in response.get("x-a")


@cases(
    l51_other_field=b"X-A : 1\r\nContent-Length: 2\r\n",
    l51_length=b"Content-Length : 2\r\n",
    l51_transfer_encoding=b"Transfer-Encoding : chunked\r\n",
)
def test_response_space_before_colon_is_removed_or_refused(hark, origin, client, case, given):
    body = b"2\r\nok\r\n0\r\n\r\n" if b"chunked" in given else b"ok"
    server = origin(reply_and_close(b"HTTP/1.1 200 OK\r\n" + given + b"\r\n" + body))
    response = client(hark).ask(fill(GET, server))
    assert all(name == name.strip() for name in response.head.names())
    if response.status != 502:
        assert response.body == b"ok"


@cases(
    l51_no_colon=b"HTTP/1.1 200 OK\r\nnonsense\r\nContent-Length: 2\r\n\r\nok",
    l51_empty_name=b"HTTP/1.1 200 OK\r\n: x\r\nContent-Length: 2\r\n\r\nok",
    l51_nul_in_value=b"HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 2\r\n\r\nok",
    l51_control_in_value=b"HTTP/1.1 200 OK\r\nX-A: a\x01b\r\nContent-Length: 2\r\n\r\nok",
    l51_bare_cr_in_value=b"HTTP/1.1 200 OK\r\nX-A: a\rX-B: b\r\nContent-Length: 2\r\n\r\nok",
    l51_space_in_name=b"HTTP/1.1 200 OK\r\nX A: a\r\nContent-Length: 2\r\n\r\nok",
    l51_leading_space=b"HTTP/1.1 200 OK\r\n X-A: a\r\nContent-Length: 2\r\n\r\nok",
)
def test_response_with_malformed_field(hark, origin, client, case, given):
    """Never passed on as it is: refused, or mended into something well-formed."""
    server = origin(reply_and_close(given))
    peer = client(hark)
    response = peer.ask(fill(GET, server))
    if response.status == 502:
        assert hark.row_of(peer)["error"] == "bad-response"
        return
    assert response.body == b"ok"
    for name, value in response.head.fields:
        assert name and " " not in name and not any(c < " " and c != "\t" for c in name + value)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
EVIL = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"


@cases(
    l52_few=b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokEXTRA",
    l52_another_response=OK + EVIL,
    l52_after_last_chunk=CHUNKED + EVIL,
    l52_after_204=b"HTTP/1.1 204 No Content\r\n\r\n" + EVIL,
    l52_after_304=b"HTTP/1.1 304 Not Modified\r\n\r\n" + EVIL,
)
def test_response_with_bytes_too_many(hark, origin, client, case, given):
    server = origin(replies(given, OK))
    peer = client(hark)
    first = peer.ask(fill(GET, server))
    assert first.body in (b"ok", b"")
    second = peer.ask(fill(GET, server))
    assert (second.status, second.body) == (200, b"ok")
    # libcurl drops in silence what comes behind a response without length in the same read
    if b"Content-Length" in given.partition(b"\r\n\r\n")[0]:
        assert len(server.connections) == 2, "a connection with stray bytes was used again"
    row = hark.row_of(peer)
    assert hark.body(row["id"], "response") == first.body


@cases(l52_length=OK, l52_chunked=CHUNKED, l52_no_content=b"HTTP/1.1 204 No Content\r\n\r\n")
def test_bytes_that_come_after_the_response_are_not_the_next_one(hark, origin, client, case, given):
    answered, sent = threading.Event(), threading.Event()

    def handle(conn):
        if conn.read_request() and len(server.requests) == 1:
            conn.send(given)
            answered.wait(10)
            conn.send(EVIL)
            sent.set()
            conn.wait_peer_closes()
            return
        conn.send(OK)

    server = origin(handle)
    peer = client(hark)
    assert peer.ask(fill(GET, server)).complete
    answered.set()
    assert sent.wait(10)
    response = peer.ask(fill(GET, server))
    assert (response.status, response.body) == (200, b"ok")


def test_response_to_head_with_a_body(hark, origin, client):
    """46, 52: what an origin sends behind the head of a HEAD response is not the next response"""
    server = origin(replies(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", OK))
    peer = client(hark)
    peer.ask(fill(HEAD, server), method="HEAD")
    second = peer.ask(fill(GET, server))
    assert (second.status, second.body) == (200, b"ok")


@pytest.mark.parametrize("method", ["POST", "PATCH", "M-FOO"], ids=lambda m: f"53-{m.lower()}")
@pytest.mark.parametrize("body", [b"hello", b""], ids=["with-body", "without-body"])
def test_reused_connection_that_dies_sends_no_request_twice(hark, origin, client, method, body):
    """The origin reads the second request and closes without a word."""

    def handle(conn):
        if len(server.requests) == 0:
            conn.read_request()
            conn.send(OK)
        conn.read_request()

    server = origin(handle)
    peer = client(hark)
    assert peer.ask(fill(GET, server)).status == 200
    head = b"%s {url}/once HTTP/1.1\r\nHost: {host}\r\nContent-Length: %d\r\n\r\n" % (
        method.encode(),
        len(body),
    )
    response = peer.ask(fill(head, server) + body)
    assert response.status == 502
    sent = [request for request in server.requests if request.target == "/once"]
    assert len(sent) == 1
    row = hark.rows_of(peer, count=2)[1]
    assert row["error"] in ("upstream-reset", "bad-response")
    assert "origin" in row["error_text"] or "server" in row["error_text"], row["error_text"]


@pytest.mark.parametrize("method", ["GET", "POST"], ids=lambda m: f"53-{m.lower()}")
def test_idle_connection_closed_by_the_origin_is_no_error(hark, origin, client, method):
    """53: closed before the next request was sent; a fresh connection serves it."""
    closed = threading.Event()

    def handle(conn):
        conn.read_request()
        conn.send(OK)
        conn.close()
        closed.set()

    server = origin(handle)
    peer = client(hark)
    for _ in range(3):
        head = b"%s {url}/x HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n" % method.encode()
        closed.clear()
        assert peer.ask(fill(head, server)).status == 200
        assert closed.wait(5)
    assert len(server.requests) == 3


@pytest.mark.parametrize("version", ["1.1", "1.0"], ids=lambda v: f"54-{v}")
@pytest.mark.parametrize("origin_version", ["1.1", "1.0"])
def test_response_until_close(hark, origin, client, version, origin_version):
    body = os.urandom(300_000)
    server = origin(
        reply_and_close(b"HTTP/%s 200 OK\r\nX-A: 1\r\n\r\n%s" % (origin_version.encode(), body))
    )
    peer = client(hark)
    response = peer.ask(fill(GET.replace(b"HTTP/1.1", b"HTTP/" + version.encode()), server))
    assert response.framing == {"1.1": "chunked", "1.0": "close"}[version]
    assert response.body == body and response.complete
    if version == "1.0":
        peer.assert_closed()
    else:
        assert peer.ask(fill(GET, server)).body == body
    row = hark.row_of(peer)
    assert row["state"] == "done"
    assert hark.body(row["id"], "response") == body


@cases(
    l55_gzip=(b"gzip", gzip.compress(b'{"a": "text"}' * 1000)),
    l55_br_in_name_only=(b"br", os.urandom(5000)),
    l55_text=(None, "grüß dich\n".encode() * 1000),
    l55_nul=(None, b"a\0b" * 1000),
    l55_binary=(None, bytes(range(256)) * 1000),
    l55_empty=(None, b""),
    l55_half_a_character=(None, "ü".encode()[:1]),
    l55_crlf=(None, b"\r\n\r\n0\r\n\r\n" * 100),
)
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_body_is_the_same_everywhere(hark, origin, client, case, given, framing):
    encoding, body = given
    fields = b"Content-Encoding: %s\r\n" % encoding if encoding else b""
    if framing == "length":
        message = fields + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    else:
        chunks = [body[i : i + 700] for i in range(0, len(body), 700)]
        message = (
            fields
            + b"Transfer-Encoding: chunked\r\n\r\n"
            + b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks)
            + b"0\r\n\r\n"
        )
    server = origin(b"HTTP/1.1 200 OK\r\n" + message)
    peer = client(hark)
    response = peer.ask(fill(b"POST {url}/x HTTP/1.1\r\nHost: {host}\r\n", server) + message)
    digest = hashlib.sha256(body).hexdigest()
    row = hark.row_of(peer)
    everywhere = {
        "origin": server.requests[0].body,
        "client": response.body,
        "recorded request": hark.body(row["id"], "request"),
        "recorded response": hark.body(row["id"], "response"),
    }
    assert {
        place: hashlib.sha256(data).hexdigest() for place, data in everywhere.items()
    } == dict.fromkeys(everywhere, digest)
    assert (row["request_size"], row["response_size"]) == (len(body), len(body))
    assert row["response_encoding"] == (encoding.decode() if encoding else None)
    if encoding:
        assert response.get("content-encoding") == encoding.decode()
        assert ("Content-Encoding", encoding.decode()) in fields_of(row, "request_headers")
