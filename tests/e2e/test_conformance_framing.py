# SPDX-License-Identifier: MIT
"""Conformance, requests: how their bodies are framed (RFC 9112 sections 6 and 7)."""

import json

import pytest
from harness.conformance import (
    POSITIONS,
    answer_or_abort,
    assert_bad_request_row,
    assert_well_formed,
    cases,
    deviation,
    fill,
    is_refused,
    send_refused,
)

POST = b"POST {url}/x HTTP/1.1\r\nHost: {host}\r\n"
SMUGGLED = b"GET {url}/smuggled HTTP/1.1\r\nHost: {host}\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
HELLO = b"5\r\nhello\r\n0\r\n\r\n"


def with_length(value):
    return POST + b"Content-Length: " + value + b"\r\n\r\nhello"


@cases(
    l01_cl_with_te=POST + b"Content-Length: 5\r\n" + CHUNKED + HELLO,
    l01_te_with_cl=POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n" + HELLO,
    l01_cl_zero_with_te=POST + b"Content-Length: 0\r\n" + CHUNKED + HELLO,
    l01_cl_te_hides_a_request=POST + b"Content-Length: 4\r\n" + CHUNKED + b"0\r\n\r\n" + SMUGGLED,
    l01_te_cl_hides_a_request=POST + b"Content-Length: 100\r\n" + CHUNKED + b"0\r\n\r\n" + SMUGGLED,
    l01_cl_with_te_identity=POST + b"Content-Length: 5\r\nTransfer-Encoding: identity\r\n\r\nhello",
    l01_cl_with_te_unknown=POST + b"Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n\r\nhello",
    l01_get_with_both=b"GET {url}/ HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\n"
    + CHUNKED
    + HELLO,
    l02_two_differing=POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    l02_two_differing_longer_first=POST + b"Content-Length: 6\r\nContent-Length: 5\r\n\r\nhello!",
    l02_zero_and_five=POST + b"Content-Length: 0\r\nContent-Length: 5\r\n\r\nhello",
    l02_two_differing_far_apart=POST
    + b"Content-Length: 5\r\nX-A: 1\r\ncontent-length: 50\r\n\r\nhello",
    l02_differing_list=with_length(b"5, 6"),
    l04_plus=with_length(b"+5"),
    l04_minus=with_length(b"-1"),
    l04_hex=with_length(b"0x5"),
    l04_letter=with_length(b"5x"),
    l04_inner_space=with_length(b"5 5"),
    l04_empty=with_length(b""),
    l04_decimal_point=with_length(b"5.0"),
    l04_exponent=with_length(b"1e1"),
    l04_quoted=with_length(b'"5"'),
    l04_trailing_comma=with_length(b"5,"),
    l08_te_in_http_1_0=b"POST {url}/ HTTP/1.0\r\nHost: {host}\r\n" + CHUNKED + HELLO,
    l08_te_in_http_1_0_without_host=b"POST {url}/ HTTP/1.0\r\n" + CHUNKED + HELLO,
)
@pytest.mark.parametrize("position", POSITIONS)
def test_framing(hark, origin, client, case, given, position):
    garbled = deviation(hark, case, position)
    send_refused(hark, client, origin(), given, position=position, closes_clean=not garbled)


@cases(
    l04_two_to_the_64=with_length(b"18446744073709551616"),
    l04_two_to_the_64_and_five=with_length(b"18446744073709551621"),
    l04_thirty_digits=with_length(b"9" * 30),
)
def test_framing_length_too_large(hark, origin, client, case, given):
    send_refused(hark, client, origin(), given, status=(400, 413))


@cases(
    l03_list_of_equals=with_length(b"5, 5"),
    l03_twin_fields=POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    l03_leading_zero_twin=POST + b"Content-Length: 5\r\nContent-Length: 05\r\n\r\nhello",
)
def test_framing_equal_lengths_are_refused_or_merged(hark, origin, client, case, given):
    server = origin()
    if not is_refused(hark, client, server, given):
        assert server.requests[0].all("content-length") == ["5"]
        assert server.requests[0].body == b"hello"


@cases(
    l05_gzip=POST + b"Transfer-Encoding: gzip\r\n\r\n",
    l05_identity=POST + b"Transfer-Encoding: identity\r\n\r\n",
    l05_chunked_then_gzip=POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n",
    l05_xchunked=POST + b"Transfer-Encoding: xchunked\r\n\r\n",
    l05_chunkedx=POST + b"Transfer-Encoding: chunkedx\r\n\r\n",
    l05_empty=POST + b"Transfer-Encoding: \r\n\r\n",
    l05_vertical_tab=POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n",
    l05_quoted=POST + b'Transfer-Encoding: "chunked"\r\n\r\n',
)
def test_framing_last_coding_is_not_chunked(hark, origin, client, case, given):
    # the answer must not wait for a body: its end never comes
    send_refused(hark, client, origin(), given, status=(400, 501))


@cases(
    l06_twice_in_one_field=POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n" + HELLO,
    l06_two_fields=POST + b"Transfer-Encoding: chunked\r\n" + CHUNKED + HELLO,
    l06_two_fields_apart=POST
    + b"Transfer-Encoding: chunked\r\nX-A: 1\r\ntransfer-encoding: chunked\r\n\r\n"
    + HELLO,
    l06_identity_and_chunked=POST + b"Transfer-Encoding: identity\r\n" + CHUNKED + HELLO,
)
def test_framing_chunked_twice(hark, origin, client, case, given):
    send_refused(hark, client, origin(), given)


@cases(
    l06_gzip_then_chunked=POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + HELLO,
    l06_deflate_then_chunked=POST + b"Transfer-Encoding: deflate,chunked\r\n\r\n" + HELLO,
)
def test_framing_coding_before_chunked_is_not_implemented(hark, origin, client, case, given):
    send_refused(hark, client, origin(), given, status=(501,))


@cases(
    l07_mixed_case=b"Transfer-Encoding: ChUnKeD\r\n\r\n",
    l07_trailing_space=b"Transfer-Encoding: chunked \r\n\r\n",
    l07_trailing_tab=b"Transfer-Encoding: chunked\t\r\n\r\n",
    l07_leading_tab=b"Transfer-Encoding:\tchunked\r\n\r\n",
    l07_no_space=b"transfer-encoding:chunked\r\n\r\n",
)
def test_framing_is_chunked(hark, origin, client, case, given):
    server = origin()
    peer = client(hark)
    response = peer.ask(fill(POST + given + HELLO, server))
    if deviation(hark, case) and response.status == 400:
        peer.assert_closed()
        assert_bad_request_row(hark, peer)
        return
    assert response.status == 200
    request = server.requests[0]
    assert request.body == b"hello"
    assert_well_formed(server.received)
    row = hark.row_of(peer)
    assert row["state"] == "done"
    assert hark.body(row["id"], "request") == b"hello"


def assert_body_refused(hark, peer, server, status=(400,)):
    """The head may be upstream already; the rest must not look complete there."""
    response = answer_or_abort(peer)
    assert response is not None and response.status in status, response
    assert response.closes
    peer.assert_closed()
    assert_bad_request_row(hark, peer)
    for conn in server.connections:
        assert conn.closed_by_peer.wait(10)
        assert not conn.received.endswith(b"0\r\n\r\n")
    assert not any(request.complete for request in server.requests)


@cases(
    l18_not_hex=b"g\r\nhello\r\n0\r\n\r\n",
    l18_minus=b"-5\r\nhello\r\n0\r\n\r\n",
    l18_plus=b"+5\r\nhello\r\n0\r\n\r\n",
    l18_hex_prefix=b"0x5\r\nhello\r\n0\r\n\r\n",
    l18_empty_size=b"\r\nhello\r\n0\r\n\r\n",
    l18_underscore=b"5_0\r\nhello\r\n0\r\n\r\n",
    l18_two_to_the_64=b"10000000000000000\r\nhello\r\n0\r\n\r\n",
    l18_two_to_the_64_and_five=b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    l18_missing_crlf=b"5\r\nhelloX0\r\n\r\n",
    l18_data_too_long=b"5\r\nhello!\r\n0\r\n\r\n",
    l18_second_size_bad=b"5\r\nhello\r\nzz\r\n\r\n",
    l18_comma=b"5,5\r\nhello\r\n0\r\n\r\n",
)
def test_chunks(hark, origin, client, case, given):
    server = origin()
    peer = client(hark).send(fill(POST + CHUNKED, server), given)
    assert_body_refused(hark, peer, server, (400, 413) if "two-to-the" in case else (400,))


@cases(
    l19_size_line=b"5\nhello\r\n0\r\n\r\n",
    l19_last_chunk_line=b"5\r\nhello\r\n0\n\r\n",
    l19_after_data=b"5\r\nhello\n0\r\n\r\n",
    l19_end_of_trailers=b"5\r\nhello\r\n0\r\n\n",
    l19_in_extension=b"5;a=\nb\r\nhello\r\n0\r\n\r\n",
)
def test_chunks_with_bare_lf(hark, origin, client, case, given):
    server = origin()
    peer = client(hark).send(fill(POST + CHUNKED, server), given)
    if not deviation(hark, case):
        assert_body_refused(hark, peer, server)
        return
    response = peer.response()
    assert response.status in (200, 400)
    if response.status == 200:
        assert server.requests[0].body == b"hello"
        assert_well_formed(server.received)


def test_chunks_extension_is_dropped(hark, origin, client):
    """19: a small chunk extension is legal, and not passed on."""
    server = origin()
    peer = client(hark)
    body = b'5;name=value;q="a;b"\r\nhello\r\n0;last\r\n\r\n'
    assert peer.ask(fill(POST + CHUNKED, server), body).status == 200
    assert server.requests[0].body == b"hello"
    assert b"name=value" not in server.received


def test_chunks_extension_bytes_are_limited(hark, origin, client):
    """19: an endless chunk extension is not read for ever."""
    server = origin()
    peer = client(hark)
    flood = b"a" * 65536
    peer.send(fill(POST + CHUNKED, server), b"5;", *[flood] * 64)
    response = answer_or_abort(peer)
    assert response is None or response.status in (400, 413), response
    peer.assert_closed()
    assert hark.row_of(peer)["error"] in ("bad-request", None)
    assert not any(request.complete for request in server.requests)


@pytest.mark.parametrize(
    "trailer",
    [
        b"Content-Length: 99",
        b"Transfer-Encoding: gzip",
        b"Host: elsewhere.invalid",
        b"Connection: close",
        b"X-Checksum: abc",
    ],
    ids=lambda t: "20-" + t.split(b":")[0].decode().lower(),
)
def test_trailers_are_kept_apart(hark, origin, client, trailer):
    server = origin()
    peer = client(hark)
    body = b"5\r\nhello\r\n0\r\n" + trailer + b"\r\n\r\n"
    first = peer.ask(fill(POST + CHUNKED, server), body)
    if first.status == 400 and not trailer.startswith(b"X-"):
        assert_bad_request_row(hark, peer)
        return
    assert first.status == 200
    request = server.requests[0]
    name, value = trailer.decode().split(": ")
    assert value not in request.all(name)
    assert request.all("host") == [server.host]
    assert request.body == b"hello"
    row = hark.row_of(peer)
    assert [name, value] not in json.loads(row["request_headers"])
    # the connection is still in step
    second = peer.ask(fill(SMUGGLED, server))
    assert second.status == 200
    assert server.requests[1].target == "/smuggled"
