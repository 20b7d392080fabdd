# SPDX-License-Identifier: MIT
"""Conformance, requests: the bytes of the head (RFC 9112 sections 2, 3 and 5)."""

import pytest
from harness.conformance import (
    POSITIONS,
    assert_well_formed,
    cases,
    deviation,
    fill,
    is_refused,
    send_at,
    send_refused,
)

GET = b"GET {url}/x HTTP/1.1\r\nHost: {host}\r\n"


@cases(
    l09_host=b"GET {url}/x HTTP/1.1\r\nHost : {host}\r\n\r\n",
    l09_content_length=b"POST {url}/x HTTP/1.1\r\nHost: {host}\r\nContent-Length : 5\r\n\r\nhello",
    l09_transfer_encoding=b"POST {url}/x HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    l09_other_field=GET + b"X-A : 1\r\n\r\n",
    l09_tab=GET + b"X-A\t: 1\r\n\r\n",
    l09_first_field=b"GET {url}/x HTTP/1.1\r\nX-A : 1\r\nHost: {host}\r\n\r\n",
    l12_in_value=GET + b"X-A: a\rb\r\n\r\n",
    l12_at_end_of_value=GET + b"X-A: a\r\r\n\r\n",
    l12_in_name=GET + b"X\rA: a\r\n\r\n",
    l12_instead_of_crlf=GET + b"X-A: a\rX-B: b\r\n\r\n",
    l12_in_target=b"GET {url}/x\ry HTTP/1.1\r\nHost: {host}\r\n\r\n",
    l12_hides_a_length=GET + b"X-A: a\rContent-Length: 5\r\n\r\nhello",
    l12_in_last_field_of_many=GET + b"A: 1\r\nB: 2\r\nC: 3\r\nD: \r4\r\n\r\n",
    l14_soh=GET + b"X-A: a\x01b\r\n\r\n",
    l14_backspace=GET + b"X-A: a\x08b\r\n\r\n",
    l14_vertical_tab=GET + b"X-A: a\x0bb\r\n\r\n",
    l14_form_feed=GET + b"X-A: a\x0cb\r\n\r\n",
    l14_escape=GET + b"X-A: \x1b[31m\r\n\r\n",
    l14_delete=GET + b"X-A: a\x7fb\r\n\r\n",
    l14_in_host=b"GET {url}/x HTTP/1.1\r\nHost: {host}\x01\r\n\r\n",
    l17_parenthesis=b"G(T {url}/x HTTP/1.1\r\nHost: {host}\r\n\r\n",
    l17_brace=b"G{T {url}/x HTTP/1.1\r\nHost: {host}\r\n\r\n",
    l17_control=b"G\x01T {url}/x HTTP/1.1\r\nHost: {host}\r\n\r\n",
    l17_high_byte=b"G\xc3\x89T {url}/x HTTP/1.1\r\nHost: {host}\r\n\r\n",
    l17_colon=b"GET: {url}/x HTTP/1.1\r\nHost: {host}\r\n\r\n",
    l17_quoted=b'"GET" {url}/x HTTP/1.1\r\nHost: {host}\r\n\r\n',
)
@pytest.mark.parametrize("position", POSITIONS)
def test_head(hark, origin, client, case, given, position):
    send_refused(hark, client, origin(), given, position=position)


@cases(
    l10_space=GET + b"X-A: one\r\n two\r\n\r\n",
    l10_tab=GET + b"X-A: one\r\n\ttwo\r\n\r\n",
    l10_then_another_field=GET + b"X-A: one\r\n two\r\nX-B: 1\r\n\r\n",
    l10_folded_length=b"POST {url}/x HTTP/1.1\r\nHost: {host}\r\nContent-Length:\r\n 5\r\n\r\nhello",
    l10_folded_te=b"POST {url}/x HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    l10_looks_like_a_field=GET + b"X-A: one\r\n X-B: two\r\n\r\n",
    l10_blank_fold=GET + b"X-A: one\r\n \r\nX-B: 1\r\n\r\n",
    l11_space=b"GET {url}/x HTTP/1.1\r\n X-A: 1\r\nHost: {host}\r\n\r\n",
    l11_tab=b"GET {url}/x HTTP/1.1\r\n\tX-A: 1\r\nHost: {host}\r\n\r\n",
    l11_before_host=b"GET {url}/x HTTP/1.1\r\n Host: {host}\r\n\r\n",
    l11_space_alone=b"GET {url}/x HTTP/1.1\r\n \r\nHost: {host}\r\n\r\n",
    l13_in_value=GET + b"X-A: a\0b\r\n\r\n",
    l13_at_start_of_value=GET + b"X-A: \0b\r\n\r\n",
    l13_in_name=GET + b"X\0A: a\r\n\r\n",
    l13_in_target=b"GET {url}/x\0y HTTP/1.1\r\nHost: {host}\r\n\r\n",
    l13_in_method=b"G\0T {url}/x HTTP/1.1\r\nHost: {host}\r\n\r\n",
    l13_in_host=b"GET {url}/x HTTP/1.1\r\nHost: {host}\0.invalid\r\n\r\n",
    l13_in_content_length=b"POST {url}/x HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\0\r\n\r\nhello",
    l16_empty=GET + b": a\r\n\r\n",
    l16_space_in_name=GET + b"X A: a\r\n\r\n",
    l16_parenthesis=GET + b"X(A): a\r\n\r\n",
    l16_at=GET + b"X@A: a\r\n\r\n",
    l16_quoted=GET + b'"X": a\r\n\r\n',
    l16_slash=GET + b"X/A: a\r\n\r\n",
    l16_equals=GET + b"X=A: a\r\n\r\n",
    l16_bracket=GET + b"X[A]: a\r\n\r\n",
    l16_control=GET + b"X\x01A: a\r\n\r\n",
    l16_high_byte=GET + b"X\xc3\xa9: a\r\n\r\n",
    l16_no_colon=GET + b"nonsense\r\n\r\n",
    l16_no_colon_at_all_first=b"GET {url}/x HTTP/1.1\r\nnonsense\r\nHost: {host}\r\n\r\n",
)
@pytest.mark.parametrize("position", POSITIONS)
def test_head_the_parser_may_hide(hark, origin, client, case, given, position):
    server = origin()
    if not deviation(hark, case, position):
        send_refused(hark, client, server, given, position=position)
        return
    assert send_at(client(hark), server, given, position).status in (200, 400)
    for request in server.requests:
        assert_well_formed(request.head.raw)


@cases(
    l15_all=b"GET {url}/x HTTP/1.1\nHost: {host}\nX-A: 1\n\n",
    l15_request_line=b"GET {url}/x HTTP/1.1\nHost: {host}\r\nX-A: 1\r\n\r\n",
    l15_one_field=GET + b"X-A: 1\nX-B: 2\r\n\r\n",
    l15_last_line=GET + b"X-A: 1\r\n\n",
    l15_hides_a_length=b"POST {url}/x HTTP/1.1\r\nHost: {host}\r\nX-A: 1\nContent-Length: 5\r\n\r\nhello",
)
def test_head_with_bare_lf_is_refused_or_mended(hark, origin, client, case, given):
    server = origin()
    if not is_refused(hark, client, server, given):
        assert_well_formed(server.received)


@pytest.mark.parametrize(
    "method",
    ["get", "M-FOO", "Get", "PROPFIND", "!#$%&'*+-.^_`|~09", "X" * 60],
    ids=lambda m: f"17-{m}" if m.isalnum() else "17-" + m[:5].strip("!#$%&"),
)
def test_methods_pass_unchanged(hark, origin, client, method):
    server = origin()
    peer = client(hark)
    response = peer.ask(
        fill(method.encode() + b" {url}/x HTTP/1.1\r\nHost: {host}\r\n\r\n", server)
    )
    assert response.status == 200
    assert server.requests[0].method == method
    assert hark.row_of(peer)["method"] == method


@cases(
    l14_tab_inside=b"X-A: a\tb\r\n",
    l14_high_bytes=b"X-A: caf\xc3\xa9\r\n",
    l14_latin_1=b"X-A: caf\xe9\r\n",
    l16_odd_tokens=b"!#$%&'*+-.^_`|~9: a\r\n",
    l16_digits=b"123: a\r\n",
    l16_underscore=b"X_A: a\r\n",
)
def test_head_unusual_but_legal(hark, origin, client, case, given):
    server = origin()
    assert client(hark).ask(fill(GET + given + b"\r\n", server)).status == 200
    assert given in server.received


@cases(l15_one_empty_line=b"\r\n", l15_two_empty_lines=b"\r\n\r\n")
def test_empty_lines_before_the_request_are_skipped(hark, origin, client, case, given):
    """RFC 9112 section 2.2: at least one CRLF before the request line is to be ignored."""
    server = origin()
    assert client(hark).ask(given + fill(GET + b"\r\n", server)).status == 200
    assert len(server.requests) == 1
