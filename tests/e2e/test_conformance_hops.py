# SPDX-License-Identifier: MIT
"""Conformance: what belongs to one hop, what passes, and what is invented (RFC 9110 section 7)."""

import pytest
from harness.conformance import assert_well_formed, cases, deviation, fill
from harness.daemon import fields_of

GET = b"GET {url}/x HTTP/1.1\r\nHost: {host}\r\n"


def ok(*fields):
    return (
        b"HTTP/1.1 200 OK\r\n"
        + b"".join(f + b"\r\n" for f in fields)
        + b"Content-Length: 2\r\n\r\nok"
    )


@cases(
    l34_one=(b"Connection: X-Hop\r\nX-Hop: 1\r\n", ["x-hop"]),
    l34_several=(b"Connection: X-Hop, x-other\r\nX-Hop: 1\r\nX-Other: 2\r\n", ["x-hop", "x-other"]),
    l34_two_connection_fields=(
        b"Connection: X-Hop\r\nX-Hop: 1\r\nConnection: X-Other\r\nX-Other: 2\r\n",
        ["x-hop", "x-other"],
    ),
    l34_field_before_connection=(b"X-Hop: 1\r\nConnection: x-hop\r\n", ["x-hop"]),
    l34_repeated_field=(b"X-Hop: 1\r\nConnection: X-Hop\r\nX-Hop: 2\r\n", ["x-hop"]),
    l34_odd_list=(
        b"Connection: ,, X-Hop ,\tX-Other,\r\nX-Hop: 1\r\nX-Other: 2\r\n",
        ["x-hop", "x-other"],
    ),
    l35_keep_alive=(b"Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n", ["keep-alive"]),
    l35_keep_alive_unlisted=(b"Keep-Alive: timeout=5\r\n", ["keep-alive"]),
    l35_proxy_connection=(b"Proxy-Connection: keep-alive\r\n", ["proxy-connection"]),
    l35_te=(b"Connection: TE\r\nTE: trailers\r\n", ["te"]),
    l35_te_unlisted=(b"TE: trailers, deflate;q=0.5\r\n", ["te"]),
    l35_upgrade=(b"Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n", ["upgrade"]),
    l35_upgrade_unlisted=(b"Upgrade: h2c\r\n", ["upgrade"]),
    l35_proxy_authorization=(b"Proxy-Authorization: Basic dTpw\r\n", ["proxy-authorization"]),
)
def test_hop_by_hop_request_fields_stay_here(hark, origin, client, case, given):
    server = origin()
    fields, gone = given
    peer = client(hark)
    assert peer.ask(fill(GET + fields + b"X-End: kept\r\n\r\n", server)).status == 200
    request = server.requests[0]
    assert not set(gone) & set(request.head.names()), request.fields
    assert request.get("x-end") == "kept"
    for listed in request.all("connection"):
        assert "hop" not in listed.lower() and "upgrade" not in listed.lower()


@cases(
    l34_one=([b"Connection: X-Hop", b"X-Hop: 1"], ["x-hop"]),
    l34_several=([b"X-Hop: 1", b"Connection: x-other, X-Hop", b"X-Other: 2"], ["x-hop", "x-other"]),
    l34_two_connection_fields=(
        [b"Connection: X-Hop", b"X-Hop: 1", b"Connection: X-Other", b"X-Other: 2"],
        ["x-hop", "x-other"],
    ),
    l35_keep_alive=([b"Connection: keep-alive", b"Keep-Alive: timeout=5, max=100"], ["keep-alive"]),
    l35_proxy_connection=([b"Proxy-Connection: keep-alive"], ["proxy-connection"]),
    l35_upgrade=([b"Upgrade: h2c", b"Connection: Upgrade"], ["upgrade"]),
)
def test_hop_by_hop_response_fields_stay_here(hark, origin, client, case, given):
    fields, gone = given
    server = origin(ok(*fields, b"X-End: kept"))
    response = client(hark).ask(fill(GET + b"\r\n", server))
    assert (response.status, response.body) == (200, b"ok")
    assert not set(gone) & set(response.head.names()), response.head.fields
    assert response.get("x-end") == "kept"


@cases(
    l36_host_and_length=b"Connection: Host, Content-Length\r\n",
    l36_lower_case=b"Connection: host,content-length,content-type\r\n",
    l36_all_that_frame=b"Connection: Host, Content-Length, Transfer-Encoding, Connection\r\n",
)
def test_connection_cannot_remove_what_frames_the_message(hark, origin, client, case, given):
    server = origin()
    peer = client(hark)
    head = b"POST {url}/x HTTP/1.1\r\nHost: {host}\r\n" + given + b"Content-Length: 5\r\n\r\nhello"
    assert peer.ask(fill(head, server)).status == 200
    request = server.requests[0]
    assert request.all("host") == [server.host]
    assert request.body == b"hello"
    assert_well_formed(server.received)
    assert peer.ask(fill(GET + b"\r\n", server)).status == 200


def test_recorded_request_keeps_what_the_client_sent(hark, origin, client):
    """34, 35: the recording is of the client's request, hop-by-hop fields and all."""
    server = origin()
    peer = client(hark)
    peer.ask(
        fill(GET + b"Connection: X-Hop\r\nX-Hop: 1\r\nProxy-Connection: keep-alive\r\n\r\n", server)
    )
    assert fields_of(hark.row_of(peer), "request_headers") == [
        ("Host", server.host),
        ("Connection", "X-Hop"),
        ("X-Hop", "1"),
        ("Proxy-Connection", "keep-alive"),
    ]


def test_via_is_not_added_by_default(hark, origin, client):
    """37"""
    server = origin()
    response = client(hark).ask(fill(GET + b"\r\n", server))
    assert server.requests[0].all("via") == []
    assert response.all("via") == []


def test_via_is_added_both_ways_when_on(daemon, origin, client):
    """37"""
    hark, server = daemon(settings=["via=on"]), origin(ok(b"Via: 1.1 earlier"))
    response = client(hark).ask(fill(GET + b"Via: 1.0 before\r\n\r\n", server))
    for values, other in (
        (server.requests[0].all("via"), "1.0 before"),
        (response.all("via"), "1.1 earlier"),
    ):
        listed = [part.strip() for value in values for part in value.split(",")]
        assert listed[0] == other
        assert len(listed) == 2 and listed[1].startswith("1.1 "), listed


def test_own_via_is_a_loop(daemon, origin, client):
    """38"""
    hark, server = daemon(settings=["via=on"]), origin()
    client(hark).ask(fill(GET + b"\r\n", server))
    own = server.requests[0].get("via")
    assert own
    peer = client(hark)
    response = peer.ask(fill(GET + f"Via: 1.1 other, {own}\r\n\r\n".encode(), server))
    assert response.status == 508
    assert response.get("hark-error") == "loop"
    assert len(server.requests) == 1
    assert hark.row_of(peer)["error"] == "loop"


def test_own_listener_as_target_is_a_loop(hark, client):
    """38: answered at once, after one hop"""
    peer = client(hark)
    target = f"127.0.0.1:{hark.proxy_port}"
    response = peer.ask(f"GET http://{target}/x HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
    assert response.status == 508
    assert response.get("hark-error") == "loop"
    assert hark.row_of(peer)["error"] == "loop"
    assert hark.value("SELECT count(*) FROM exchange WHERE port = ?", hark.proxy_port) == 1


@pytest.mark.parametrize("method", ["TRACE", "OPTIONS"], ids=lambda m: f"39-{m.lower()}")
def test_max_forwards_zero_is_answered_here(hark, origin, client, method):
    server = origin()
    peer = client(hark)
    request = method.encode() + b" {url}/x HTTP/1.1\r\nHost: {host}\r\nMax-Forwards: 0\r\n\r\n"
    response = peer.ask(fill(request, server))
    assert response.status in (200, 204, 405, 501)
    assert server.received == b""
    assert hark.row_of(peer)["status"] == response.status


@pytest.mark.parametrize("method", ["TRACE", "OPTIONS"], ids=lambda m: f"39-{m.lower()}")
def test_max_forwards_counts_down(hark, origin, client, method):
    server = origin()
    request = method.encode() + b" {url}/x HTTP/1.1\r\nHost: {host}\r\nMax-Forwards: 10\r\n\r\n"
    assert client(hark).ask(fill(request, server)).status == 200
    assert server.requests[0].all("max-forwards") == ["9"]


def test_max_forwards_of_other_methods_passes(hark, origin, client):
    """39"""
    server = origin()
    assert client(hark).ask(fill(GET + b"Max-Forwards: 0\r\n\r\n", server)).status == 200
    assert server.requests[0].all("max-forwards") == ["0"]


def test_request_fields_pass_in_order_case_and_number(hark, origin, client):
    """40"""
    server = origin()
    fields = [
        ("X-b", "2"),
        ("x-A", "1"),
        ("X-B", "3"),
        ("Accept", "a"),
        ("X-UPPER", "u"),
        ("accept", "b"),
        ("Cookie", "a=1"),
        ("Cookie", "b=2"),
        ("User-Agent", "me"),
        ("X-Odd", 'a, "b;c" ,d'),
        ("Forwarded", "for=1"),
        ("Range", "bytes=0-"),
        ("If-None-Match", '"x"'),
        ("Authorization", "Basic dTpw"),
        ("Accept-Encoding", "br"),
        ("Content-Type", "odd"),
    ]
    text = "".join(f"{name}: {value}\r\n" for name, value in fields).encode()
    peer = client(hark)
    assert peer.ask(fill(GET + text + b"\r\n", server)).status == 200
    assert [f for f in server.requests[0].fields if f[0] != "Host"] == fields
    assert fields_of(hark.row_of(peer), "request_headers") == [("Host", server.host), *fields]


def test_response_fields_pass_in_order_case_and_number(hark, origin, client):
    """40: Set-Cookie most of all is never merged"""
    fields = [
        ("Set-Cookie", "a=1; Path=/"),
        ("X-b", "2"),
        ("set-cookie", "b=2"),
        ("x-A", "1"),
        ("X-B", "3"),
        ("Set-Cookie", "c=3"),
        ("Server", "odd/1"),
        ("Date", "not a date"),
        ("WWW-Authenticate", "Basic"),
        ("Www-Authenticate", "Digest"),
        ("Vary", "a"),
        ("Vary", "b"),
        ("Content-Type", "x/y"),
        ("Content-Encoding", "unknown"),
        ("Location", "/../%2f x"),
    ]
    server = origin(ok(*(f"{name}: {value}".encode() for name, value in fields)))
    peer = client(hark)
    response = peer.ask(fill(GET + b"\r\n", server))
    framing = ("content-length", "connection")
    assert [f for f in response.head.fields if f[0].lower() not in framing] == fields
    assert fields_of(hark.row_of(peer), "response_headers") == [*fields, ("Content-Length", "2")]


@pytest.mark.parametrize(
    "status",
    [200, 203, 207, 226, 299, 300, 399, 402, 418, 451, 499, 507, 511, 599],
    ids=lambda s: f"40-{s}",
)
def test_statuses_pass(hark, origin, client, status):
    server = origin(f"HTTP/1.1 {status} Odd Reason\r\nContent-Length: 2\r\n\r\nok".encode())
    peer = client(hark)
    response = peer.ask(fill(GET + b"\r\n", server))
    assert (response.status, response.body) == (status, b"ok")
    row = hark.row_of(peer)
    assert (row["status"], row["reason"], row["state"]) == (status, "Odd Reason", "done")


@cases(
    l40_no_reason=b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok",
    l40_no_reason_no_space=b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",
    l40_version_1_0=b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    l40_high_bytes_in_value=b"HTTP/1.1 200 OK\r\nX-A: caf\xe9 \xc3\xa9\r\nContent-Length: 2\r\n\r\nok",
    l40_tab_in_value=b"HTTP/1.1 200 OK\r\nX-A: a\tb\r\nContent-Length: 2\r\n\r\nok",
)
def test_unusual_response_heads_pass(hark, origin, client, case, given):
    response = client(hark).ask(fill(GET + b"\r\n", origin(given)))
    assert (response.status, response.body) == (200, b"ok")
    for line in given.split(b"\r\n"):
        if line.startswith(b"X-A"):
            assert line in response.head.raw


@cases(
    l41_middle=[b"X-Empty:", b"X-After: 1"],
    l41_last=[b"X-Before: 1", b"X-Empty: "],
    l41_content_type=[b"Content-Type:"],
)
def test_empty_response_field_survives(hark, origin, client, case, given):
    server = origin(ok(*given))
    peer = client(hark)
    response = peer.ask(fill(GET + b"\r\n", server))
    assert response.status == 200
    name = next(f for f in given if f.strip().endswith(b":")).decode().strip()[:-1]
    assert (name, "") in fields_of(hark.row_of(peer), "response_headers")
    if not deviation(hark, case):
        assert response.all(name) == [""]


def test_empty_request_field_survives(hark, origin, client):
    """41, the other way"""
    server = origin()
    peer = client(hark)
    assert peer.ask(fill(GET + b"X-Empty:\r\nX-A: 1\r\n\r\n", server)).status == 200
    assert server.requests[0].all("x-empty") == [""]
    assert ("X-Empty", "") in fields_of(hark.row_of(peer), "request_headers")


@cases(
    l42_get=(b"GET {url}/x HTTP/1.1\r\nHost: {host}\r\n\r\n", ["host"]),
    l42_post=(
        b"POST {url}/x HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\n\r\nhello",
        ["host", "content-length"],
    ),
    l42_post_empty=(
        b"POST {url}/x HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n",
        ["host", "content-length"],
    ),
    l42_post_without_body=(b"POST {url}/x HTTP/1.1\r\nHost: {host}\r\n\r\n", ["host"]),
    l42_chunked=(
        b"PUT {url}/x HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5\r\nhello\r\n0\r\n\r\n",
        ["host", "transfer-encoding"],
    ),
    l42_large_post=(
        b"POST {url}/x HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1500000\r\n\r\n"
        + b"x" * 1_500_000,
        ["host", "content-length"],
    ),
    l42_head=(b"HEAD {url}/x HTTP/1.1\r\nHost: {host}\r\n\r\n", ["host"]),
    l42_delete=(b"DELETE {url}/x HTTP/1.1\r\nHost: {host}\r\n\r\n", ["host"]),
    l42_credentials_in_netrc_style_host=(
        b"GET {url}/login HTTP/1.1\r\nHost: {host}\r\n\r\n",
        ["host"],
    ),
)
def test_nothing_is_invented_towards_the_origin(hark, origin, client, case, given):
    raw, names = given
    server = origin()
    response = client(hark).ask(fill(raw, server), method=raw.split(b" ")[0].decode())
    assert response.status == 200
    sent = [name for name in server.requests[0].head.names() if name != "connection"]
    assert sorted(sent) == sorted(names)


def test_nothing_is_invented_towards_the_client(hark, origin, client):
    """42: no Date, Server, Via or anything else"""
    server = origin()
    response = client(hark).ask(fill(GET + b"\r\n", server))
    assert set(response.head.names()) <= {"content-length", "connection"}
    assert response.all("content-length") == ["2"]


def test_cookies_and_redirects_are_left_alone(hark, origin, client):
    """42: the proxy follows nothing and remembers nothing"""
    server = origin(
        b"HTTP/1.1 302 Found\r\nSet-Cookie: a=1\r\nLocation: /next\r\nContent-Length: 0\r\n\r\n"
    )
    peer = client(hark)
    for _ in range(2):
        assert peer.ask(fill(GET + b"\r\n", server)).status == 302
    assert [request.target for request in server.requests] == ["/x", "/x"]
    assert all(request.all("cookie") == [] for request in server.requests)
