# SPDX-License-Identifier: MIT
"""Conformance, requests: targets, Host, sizes and versions (RFC 9112 section 3)."""

import pytest
from harness.conformance import assert_bad_request_row, cases, fill, send_refused

DAEMON = {"settings": ["max_header_bytes=16k"]}
REST = b" HTTP/1.1\r\nHost: {host}\r\n\r\n"


@cases(
    l25_path=(b"GET {url}/a/b?c=d", "GET /a/b?c=d HTTP/1.1"),
    l25_upper_case_scheme=(b"GET HTTP://{host}/a", "GET /a HTTP/1.1"),
    l26_dots_and_escapes=(b"GET {url}/a/../b%2f%7E?x=%31&&", "GET /a/../b%2f%7E?x=%31&& HTTP/1.1"),
    l26_dot_segments=(b"GET {url}/./a/./../..//b/.", "GET /./a/./../..//b/. HTTP/1.1"),
    l26_bad_escapes=(b"GET {url}/%/%zz/%4?%", "GET /%/%zz/%4?% HTTP/1.1"),
    l26_escaped_nul=(b"GET {url}/a%00b", "GET /a%00b HTTP/1.1"),
    l26_question_marks=(b"GET {url}/a?b?c??", "GET /a?b?c?? HTTP/1.1"),
    l26_empty_query=(b"GET {url}/a?", "GET /a? HTTP/1.1"),
    l26_plus=(b"GET {url}/a+b?c+d=%2B", "GET /a+b?c+d=%2B HTTP/1.1"),
    l26_reserved=(b"GET {url}/;a=b,c:d@e!$'()*?;=/:@,", "GET /;a=b,c:d@e!$'()*?;=/:@, HTTP/1.1"),
    l26_url_inside=(
        b"GET {url}/http://other/x?u=http://y/z",
        "GET /http://other/x?u=http://y/z HTTP/1.1",
    ),
    l26_what_browsers_send_raw=(
        b"GET {url}/a|b^c[d]{e}`?x={y}|[z]",
        "GET /a|b^c[d]{e}`?x={y}|[z] HTTP/1.1",
    ),
    l26_double_slash=(b"GET {url}//a", "GET //a HTTP/1.1"),
    l27_options_without_path=(b"OPTIONS {url}", "OPTIONS * HTTP/1.1"),
    l27_options_with_slash=(b"OPTIONS {url}/", "OPTIONS / HTTP/1.1"),
    l27_get_without_path=(b"GET {url}", "GET / HTTP/1.1"),
    l27_query_without_path=(b"GET {url}?x", "GET /?x HTTP/1.1"),
    l27_query_with_slash_without_path=(b"GET {url}?x=/y", "GET /?x=/y HTTP/1.1"),
)
def test_target(hark, origin, client, case, given):
    server = origin()
    asked, sent = given
    peer = client(hark)
    assert peer.ask(fill(asked + REST, server)).status == 200
    assert server.requests[0].head.start_line == sent
    assert server.requests[0].all("host") == [server.host]
    row = hark.row_of(peer)
    path, mark, query = sent.split(" ")[1].partition("?")
    assert row["path"] == path
    assert row["query"] == query if mark else row["query"] in (None, "")


@pytest.mark.parametrize(
    "host",
    ["other.invalid", "127.0.0.1", "localhost:1", "LOCALHOST"],
    ids=lambda h: "25-" + h.replace(":", "-"),
)
def test_host_comes_from_the_target(hark, origin, client, host):
    server = origin()
    peer = client(hark)
    request = fill(b"GET {url}/x HTTP/1.1\r\nHost: %s\r\nX-A: 1\r\n\r\n" % host.encode(), server)
    assert peer.ask(request).status == 200
    assert server.requests[0].all("host") == [server.host]
    assert hark.row_of(peer)["port"] == server.port


def test_target_with_high_bytes_is_refused_or_unchanged(hark, origin, client):
    """26"""
    server = origin()
    response = client(hark).ask(fill(b"GET {url}/caf\xc3\xa9" + REST, server))
    if response.status == 400:
        assert server.received == b""
    else:
        assert server.received.startswith(b"GET /caf\xc3\xa9 HTTP/1.1\r\n")


@cases(
    l28_missing=b"GET {url}/ HTTP/1.1\r\nX-A: 1\r\n\r\n",
    l28_double_same=b"GET {url}/ HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n\r\n",
    l28_double_other=b"GET {url}/ HTTP/1.1\r\nHost: {host}\r\nHost: other.invalid\r\n\r\n",
    l28_double_case=b"GET {url}/ HTTP/1.1\r\nHost: {host}\r\nX-A: 1\r\nhOST: {host}\r\n\r\n",
    l28_space=b"GET {url}/ HTTP/1.1\r\nHost: a b\r\n\r\n",
    l28_slash=b"GET {url}/ HTTP/1.1\r\nHost: {host}/x\r\n\r\n",
    l28_userinfo=b"GET {url}/ HTTP/1.1\r\nHost: u@{host}\r\n\r\n",
    l28_scheme=b"GET {url}/ HTTP/1.1\r\nHost: {url}\r\n\r\n",
    l28_bad_port=b"GET {url}/ HTTP/1.1\r\nHost: 127.0.0.1:http\r\n\r\n",
    l28_port_too_large=b"GET {url}/ HTTP/1.1\r\nHost: 127.0.0.1:65536\r\n\r\n",
    l28_list=b"GET {url}/ HTTP/1.1\r\nHost: {host}, other.invalid\r\n\r\n",
    l28_question_mark=b"GET {url}/ HTTP/1.1\r\nHost: {host}?\r\n\r\n",
    l29_space_in_path=b"GET {url}/a b" + REST,
    l29_space_at_end=b"GET {url}/a  HTTP/1.1\r\nHost: {host}\r\n\r\n",
    l29_tab_in_path=b"GET {url}/a\tb" + REST,
    l29_fragment=b"GET {url}/a#b" + REST,
    l29_fragment_in_query=b"GET {url}/a?b#c" + REST,
    l29_fragment_alone=b"GET {url}#c" + REST,
    l30_user_and_password=b"GET http://u:p@{host}/" + REST,
    l30_user=b"GET http://u@{host}/" + REST,
    l30_empty=b"GET http://@{host}/" + REST,
    l30_empty_password=b"GET http://u:@{host}/" + REST,
    l30_host_in_userinfo=b"GET http://example.invalid:80@{host}/" + REST,
    l30_backslash=b"GET http://example.invalid\\@{host}/" + REST,
    l31_ftp=b"GET ftp://{host}/" + REST,
    l31_file=b"GET file:///etc/passwd" + REST,
    l31_file_host=b"GET file://{host}/etc/passwd" + REST,
    l31_gopher=b"GET gopher://{host}/1" + REST,
    l31_dict=b"GET dict://{host}/d" + REST,
    l31_mailto=b"GET mailto:a@b" + REST,
    l31_unknown=b"GET foo://{host}/" + REST,
    l31_no_scheme=b"GET {host}/" + REST,
    l31_one_slash=b"GET http:/{host}/" + REST,
    l31_no_host=b"GET http:///x" + REST,
    l31_no_slashes=b"GET http:{host}/x" + REST,
    l31_bad_port=b"GET http://127.0.0.1:x/" + REST,
    l31_port_too_large=b"GET http://127.0.0.1:65536/" + REST,
    l31_port_zero=b"GET http://127.0.0.1:0/" + REST,
    l31_asterisk_get=b"GET *" + REST,
    l33_no_version=b"GET {url}/\r\n\r\n",
    l33_lower_case=b"GET {url}/ http/1.1\r\nHost: {host}\r\n\r\n",
    l33_no_dot=b"GET {url}/ HTTP/11\r\nHost: {host}\r\n\r\n",
    l33_two_digits=b"GET {url}/ HTTP/1.10\r\nHost: {host}\r\n\r\n",
    l33_letters=b"GET {url}/ HTTP/x.y\r\nHost: {host}\r\n\r\n",
    l33_other_protocol=b"GET {url}/ ICY/1.1\r\nHost: {host}\r\n\r\n",
)
def test_target_refused(hark, origin, client, case, given):
    send_refused(hark, client, origin(), given)


def test_request_line_of_8000_bytes_works(hark, origin, client):
    """32"""
    server = origin()
    target = "/" + "a" * (8000 - len(f"GET {server.url}/ HTTP/1.1"))
    peer = client(hark)
    line = f"GET {server.url}{target} HTTP/1.1"
    assert len(line) == 8000
    assert peer.ask(f"{line}\r\nHost: {server.host}\r\n\r\n".encode()).status == 200
    assert server.requests[0].target == target
    assert hark.row_of(peer)["path"] == target


@pytest.mark.parametrize("size", [24_000, 60_000, 1_000_000], ids=lambda n: f"32-{n}")
def test_request_line_too_long(hark, origin, client, size):
    server = origin()
    peer = client(hark)
    response = peer.ask(fill(b"GET {url}/" + b"a" * size + REST, server))
    assert response.status == 414
    assert response.closes
    peer.assert_closed()
    assert server.received == b""
    row = hark.row_of(peer)
    assert row["error"] == "bad-request" and row["error_text"]


@pytest.mark.parametrize(
    "fields",
    [
        b"X-A: " + b"a" * 24_000 + b"\r\n",
        b"".join(b"X-%d: %s\r\n" % (i, b"a" * 100) for i in range(300)),
        b"X-A: " + b"a" * 1_000_000 + b"\r\n",
        b"X" * 40_000 + b": a\r\n",
    ],
    ids=["32-one-long-field", "32-many-fields", "32-a-megabyte", "32-long-name"],
)
def test_head_too_large(hark, origin, client, fields):
    server = origin()
    peer = client(hark)
    response = peer.ask(fill(b"GET {url}/ HTTP/1.1\r\nHost: {host}\r\n", server) + fields + b"\r\n")
    assert response.status == 431
    assert response.closes
    peer.assert_closed()
    assert server.received == b""
    row = hark.row_of(peer)
    assert row["error"] == "bad-request" and row["error_text"]


def test_head_of_12_kilobytes_works(hark, origin, client):
    """32: a head below max_header_bytes"""
    server = origin()
    fields = b"".join(b"X-%d: %s\r\n" % (i, b"a" * 100) for i in range(110))
    assert (
        client(hark)
        .ask(fill(b"GET {url}/ HTTP/1.1\r\nHost: {host}\r\n", server) + fields + b"\r\n")
        .status
        == 200
    )
    assert fields in server.received


@cases(
    l33_plain=b"GET {url}/x HTTP/1.0\r\nHost: {host}\r\n\r\n",
    l33_without_host=b"GET {url}/x HTTP/1.0\r\n\r\n",
    l33_keep_alive=b"GET {url}/x HTTP/1.0\r\nHost: {host}\r\nConnection: keep-alive\r\n\r\n",
    l33_proxy_keep_alive=b"GET {url}/x HTTP/1.0\r\nHost: {host}\r\nProxy-Connection: keep-alive\r\n\r\n",
)
def test_http_1_0_closes(hark, origin, client, case, given):
    server = origin()
    peer = client(hark)
    response = peer.ask(fill(given, server))
    assert (response.status, response.body) == (200, b"ok")
    peer.assert_closed()
    assert server.requests[0].head.start_line == "GET /x HTTP/1.1"
    assert server.requests[0].all("host") == [server.host]
    row = hark.row_of(peer)
    assert row["state"] == "done"
    assert row["request_version"].endswith("1.0")


def test_http_1_2_works(hark, origin, client):
    """33: a higher minor version is to be taken as the highest one known"""
    server = origin()
    peer = client(hark)
    assert peer.ask(fill(b"GET {url}/x HTTP/1.2\r\nHost: {host}\r\n\r\n", server)).status == 200
    assert server.requests[0].head.start_line == "GET /x HTTP/1.1"


@cases(
    l33_two=b"GET {url}/x HTTP/2.0\r\nHost: {host}\r\n\r\n",
    l33_three=b"GET {url}/x HTTP/3.0\r\nHost: {host}\r\n\r\n",
    l33_zero_nine=b"GET {url}/x HTTP/0.9\r\nHost: {host}\r\n\r\n",
)
def test_version_not_supported(hark, origin, client, case, given):
    server = origin()
    peer = client(hark)
    response = peer.ask(fill(given, server))
    assert response.status == 505
    assert response.closes
    peer.assert_closed()
    assert_bad_request_row(hark, peer)
    assert server.received == b""


def test_http_2_preface_is_refused(hark, client):
    """33: prior-knowledge HTTP/2"""
    peer = client(hark).send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert peer.response().status in (400, 505)
    peer.assert_closed()
