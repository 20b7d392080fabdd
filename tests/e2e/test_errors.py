# SPDX-License-Identifier: MIT
"""What fails on the way: the answer hark gives itself, and the row that says what happened."""

import contextlib
import re
import socket

import pytest
from harness import SCALE, wait_until
from harness.conformance import fill
from harness.nginx import free_port
from harness.origin import OK, reply_and_close

GET = b"GET {url}/x HTTP/1.1\r\nHost: {host}\r\n\r\n"
DAEMON = {"settings": ["header_timeout=1s", "connect_timeout=1s"], "ui": "127.0.0.1:0"}


def ask_url(peer, url, seconds=None):
    host = url.split("/")[2]
    return peer.ask(f"GET {url} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode(), seconds=seconds)


def assert_failed(hark, peer, response, status, code, state=None):
    """An answer of hark's own: status, code, a text that names the exchange, and its row."""
    assert (response.status, response.get("hark-error")) == (status, code)
    assert response.complete
    assert (response.get("content-type") or "").startswith("text/plain")
    row = hark.row_of(peer)
    text = response.body.decode()
    assert re.search(rf"\b{row['id']}\b", text), f"exchange {row['id']} is not named in: {text}"
    assert row["error"] == code
    assert row["error_text"]
    if state:
        assert row["state"] == state
    return row


def test_no_such_host(hark, client):
    peer = client(hark)
    response = ask_url(peer, "http://no-such-host.invalid/x", seconds=20)
    row = assert_failed(hark, peer, response, 502, "dns", "upstream-error")
    assert row["host"] == "no-such-host.invalid"
    assert b"no-such-host.invalid" in response.body


def test_connection_refused(hark, client):
    peer = client(hark)
    port = free_port()
    response = ask_url(peer, f"http://127.0.0.1:{port}/x")
    row = assert_failed(hark, peer, response, 502, "connect", "upstream-error")
    assert row["port"] == port


@contextlib.contextmanager
def silent_address():
    """A listener whose queue is full leaves further connections without an answer."""
    with contextlib.ExitStack() as sockets:
        listener = sockets.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(8):
            filler = sockets.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield "http://127.0.0.1:%d/x" % listener.getsockname()[1]


def test_connect_time_out(hark, client):
    with silent_address() as url:
        peer = client(hark)
        response = ask_url(peer, url, seconds=15)
        assert_failed(hark, peer, response, 504, "connect-timeout", "upstream-error")


def test_client_that_leaves_while_hark_connects_harms_no_other(daemon, origin, client):
    """Descriptors that libcurl gives up are used again, by whoever comes next."""
    hark = daemon(settings=["workers=1"])
    others = [client(hark) for _ in range(4)]
    for peer in others:
        ask_url(peer, "http://hark.internal/")
    with silent_address() as url:
        leaving = client(hark)
        leaving.send(f"GET {url} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        wait_until(
            lambda: hark.sql("SELECT * FROM exchange WHERE state = 'pending'"), "the attempt to begin"
        )
        leaving.close()
        assert hark.row_of(leaving)["state"] == "client-abort"
    for peer in others:
        assert ask_url(peer, origin().url + "/", seconds=3).status == 200


def test_origin_that_never_answers(hark, origin, client):
    server = origin(lambda conn: conn.read_request() and conn.wait_peer_closes(20))
    peer = client(hark)
    response = peer.ask(fill(GET, server), seconds=15)
    assert_failed(hark, peer, response, 504, "upstream-timeout", "upstream-error")
    assert server.connections[0].closed_by_peer.wait(5 * SCALE)


def test_origin_that_sends_half_a_head(hark, origin, client):
    def handle(conn):
        conn.read_request()
        conn.send(b"HTTP/1.1 200 OK\r\nContent-")
        conn.wait_peer_closes(20)

    peer = client(hark)
    response = peer.ask(fill(GET, origin(handle)), seconds=15)
    assert_failed(hark, peer, response, 504, "upstream-timeout", "upstream-error")


def test_others_flow_while_an_origin_is_silent(daemon, origin, client):
    hark = daemon(settings=["workers=1", "header_timeout=1m"])
    silent = origin(lambda conn: conn.read_request() and conn.wait_peer_closes(60))
    waiting = client(hark).send(fill(GET, silent))
    silent.wait_requests(1)
    server = origin()
    for _ in range(20):
        assert client(hark).ask(fill(GET, server)).body == b"ok"
    waiting.close()


ANSWER = b"HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: 20\r\n\r\n01234567890123456789"
HEAD_SIZE = ANSWER.index(b"\r\n\r\n") + 4


@pytest.mark.parametrize(
    "offset",
    [
        0,
        1,
        4,
        8,
        9,
        12,
        13,
        16,
        17,
        20,
        24,
        30,
        HEAD_SIZE - 2,
        HEAD_SIZE - 1,
        HEAD_SIZE,
        HEAD_SIZE + 1,
        HEAD_SIZE + 2,
        HEAD_SIZE + 5,
        HEAD_SIZE + 10,
        HEAD_SIZE + 19,
    ],
)
def test_reset_at_an_offset_of_the_answer(hark, origin, client, offset):
    """Before the head is complete the client gets 502; later it sees an abort, the row `truncated`."""

    def handle(conn):
        conn.read_request()
        conn.send(ANSWER[:offset])
        if offset >= HEAD_SIZE:
            wait_until(lambda: client_has_head, "the client to have the head")
        conn.reset()

    client_has_head = []
    server = origin(handle)
    peer = client(hark).send(fill(GET, server))
    if offset < HEAD_SIZE:
        response = peer.response()
        assert_failed(hark, peer, response, 502, "upstream-reset", "upstream-error")
        return
    head = peer.reader.head()
    client_has_head.append(True)
    assert head.start_line == "HTTP/1.1 200 OK"
    peer_saw_all = True
    try:
        peer.reader.exactly(20, lambda part: None)
    except Exception:
        peer_saw_all = False
    assert not peer_saw_all
    row = hark.row_of(peer)
    assert (row["state"], row["error"], row["status"]) == ("truncated", "upstream-reset", 200)
    assert hark.body(row["id"], "response") == ANSWER[HEAD_SIZE:offset]


@pytest.mark.parametrize("offset", [0, 5, 1000])
def test_reset_while_the_request_body_is_sent(hark, origin, client, offset):
    def handle(conn):
        conn.read_head()
        conn.reader.exactly(offset, lambda part: None)
        conn.reset()

    peer = client(hark)
    head = fill(
        b"POST {url}/x HTTP/1.1\r\nHost: {host}\r\nContent-Length: 100000\r\n\r\n", origin(handle)
    )
    response = peer.ask(head + b"x" * 2000)
    row = assert_failed(hark, peer, response, 502, "upstream-reset", "upstream-error")
    assert row["method"] == "POST"


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"220 smtp.example ESMTP\r\n\r\n",
        b"<html>no head</html>\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 99 Low\r\n\r\n",
        b"HTTP/3.0 200 OK\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"\r\n\r\n",
    ],
    ids=[
        "tls",
        "ssh",
        "smtp",
        "html",
        "status-abc",
        "status-20",
        "status-2000",
        "status-99",
        "version-3",
        "nuls",
        "no-status",
        "empty-lines",
    ],
)
def test_garbage_from_the_origin(hark, origin, client, garbage):
    peer = client(hark)
    response = peer.ask(fill(GET, origin(reply_and_close(garbage))))
    assert_failed(hark, peer, response, 502, "bad-response", "upstream-error")


@pytest.mark.parametrize("size", [120_000, 400_000])
def test_response_head_too_large(hark, origin, client, size):
    answer = b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * size + b"\r\nContent-Length: 2\r\n\r\nok"
    peer = client(hark)
    response = peer.ask(fill(GET, origin(reply_and_close(answer))))
    if response.status == 200:
        assert response.body == b"ok" and response.get("x-a") == "a" * size
    else:
        assert_failed(hark, peer, response, 502, "bad-response", "upstream-error")


SELF = [
    "127.0.0.1",
    "localhost",
    "127.1",
    "127.0.1",
    "0.0.0.0",
    "0",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "127.0.0.2",
    "LocalHost",
    "localhost.",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
]


@pytest.mark.parametrize("name", SELF)
def test_own_proxy_address_by_any_name(hark, client, name):
    """A request must not go round: 508 or 403 at once, or 502 where nothing listens there."""
    peer = client(hark)
    response = ask_url(peer, f"http://{name}:{hark.proxy_port}/x")
    assert response.get("hark-error"), response
    if name in ("127.0.0.1", "localhost", "127.1", "0.0.0.0"):
        assert response.status in (508, 403)
    assert response.status in (508, 403, 502, 400)
    assert (
        hark.value(
            "SELECT count(*) FROM exchange WHERE port = ? AND client_addr LIKE '127.0.0.1%'",
            hark.proxy_port,
        )
        == 0
    )
    assert hark.row_of(peer)["error"] == response.get("hark-error")


def test_own_proxy_address_is_a_loop(hark, client):
    peer = client(hark)
    response = ask_url(peer, f"http://127.0.0.1:{hark.proxy_port}/x")
    assert_failed(hark, peer, response, 508, "loop")


@pytest.mark.parametrize("path", ["/", "/api/v1/exchanges", "/livez", "/metrics"])
def test_own_page_through_the_proxy_is_forbidden(hark, client, path):
    peer = client(hark)
    response = ask_url(peer, f"http://127.0.0.1:{hark.page_port}{path}")
    assert_failed(hark, peer, response, 403, "forbidden")


@pytest.mark.parametrize("name", SELF)
def test_own_page_by_any_name(hark, client, name):
    peer = client(hark)
    response = ask_url(peer, f"http://{name}:{hark.page_port}/livez")
    assert response.get("hark-error"), f"the page answered as {name}"
    if name in ("127.0.0.1", "localhost", "127.1", "0.0.0.0"):
        assert response.status == 403
    assert response.status in (403, 502, 400)


def test_own_page_by_a_name_that_is_led_there(daemon, client):
    """connect_to decides where a name leads; the check is of where the connection goes."""
    page = free_port()
    hark = daemon(
        ui=f"127.0.0.1:{page}", settings=[f"connect_to=friendly.example:80:127.0.0.1:{page}"]
    )
    response = ask_url(client(hark), "http://friendly.example/livez")
    assert response.status == 403
    assert response.get("hark-error") == "forbidden"


def test_bad_request(hark, client):
    peer = client(hark)
    response = peer.ask(b"GET http://a b/ HTTP/1.1\r\nHost: a\r\n\r\n")
    row = assert_failed(hark, peer, response, 400, "bad-request")
    assert row["status"] == 400


def test_url_of_a_connect_is_its_authority(hark, client):
    peer = client(hark)
    peer.send(b"CONNECT a.invalid:443 HTTP/1.1\r\nHost: a.invalid:443\r\n\r\n").reader.head()
    peer.close()
    row = hark.row_of(peer)
    assert row["path"] is None
    url = hark.value("SELECT url FROM traffic WHERE id = ?", row["id"])
    assert url == "a.invalid:443"


def test_bytes_that_are_no_http(hark, client):
    for garbage in (b"\0\0\0\0\r\n\r\n", b"\xff" * 100 + b"\r\n\r\n", b"hello\r\n\r\n"):
        peer = client(hark).send(garbage)
        assert peer.response().status == 400
        peer.assert_closed()


def test_connection_without_a_request_leaves_no_row(hark, origin, client):
    silent = [client(hark), client(hark)]
    silent[0].close()
    silent[1].reset()
    peer = client(hark)
    peer.ask(fill(GET, origin()))
    hark.row_of(peer)
    for other in silent:
        assert not hark.sql(
            "SELECT id FROM exchange WHERE client_addr LIKE ? || ':%'", other.address
        )


def test_failed_exchange_does_not_spoil_the_connection(hark, origin, client):
    """After a 502 the same client connection serves the next request, or says that it closes."""
    server = origin()
    peer = client(hark)
    first = ask_url(peer, f"http://127.0.0.1:{free_port()}/x")
    assert first.status == 502
    if first.closes:
        peer.assert_closed()
    else:
        assert peer.ask(fill(GET, server)).status == 200


def test_messages_do_not_carry_markup_or_control_characters(hark, client):
    peer = client(hark)
    response = ask_url(peer, "http://no-such.invalid/<script>alert(1)</script>")
    assert (response.get("content-type") or "").startswith("text/plain")


def test_answer_of_the_origin_with_an_error_status_is_not_an_error(hark, origin, client):
    server = origin(OK.replace(b"200 OK", b"502 Bad Gateway"))
    peer = client(hark)
    response = peer.ask(fill(GET, server))
    assert (response.status, response.get("hark-error")) == (502, None)
    row = hark.row_of(peer)
    assert (row["state"], row["error"]) == ("done", None)


def test_internal_host_names_an_address_that_works(daemon, client):
    """That of `listen`; where any port is taken, as by `hark run`, what that sets."""
    def said(hark):
        head = b"GET http://hark.internal/ HTTP/1.1\r\nHost: hark.internal\r\n\r\n"
        return re.search(rb"http_proxy=(\S+) curl", client(hark).ask(head).body)[1].decode()

    address = f"127.0.0.1:{free_port()}"
    assert said(daemon(listen=address)) == f"http://{address}"
    assert said(daemon()) == "$http_proxy"


def test_internal_host_gives_the_page_the_certificate_and_nothing_else(hark, client):
    def get(path):
        head = b"GET http://hark.internal%s HTTP/1.1\r\nHost: hark.internal\r\n\r\n"
        return client(hark).ask(head % path)

    assert b"hark.internal/ca.pem" in get(b"/").body
    certificate = get(b"/ca.pem")
    assert certificate.body == (hark.data_dir / "ca.pem").read_bytes()
    assert get(b"/ca-key.pem").status == 404
    assert get(b"/../ca-key.pem").status == 404
