# SPDX-License-Identifier: MIT
"""Who is let in to the API: programs with the token and hark's own page, and nobody else."""

import http.client
import json
import socket

import pytest
from harness.api import Api, assert_problem

DAEMON = {"ui": "127.0.0.1:0"}
STATUS = "/api/v1/status"
REPLAY = "/api/v1/replay"
TOKEN_ROUTES = [
    ("GET", STATUS), ("GET", "/api/v1/exchanges"), ("GET", "/api/v1/exchanges/1"),
    ("GET", "/api/v1/exchanges/1/messages"), ("GET", "/api/v1/exchanges/1/request/body"),
    ("GET", "/api/v1/exchanges/1/response/body"), ("GET", "/api/v1/events"),
    ("GET", "/api/v1/export"), ("POST", REPLAY), ("POST", "/api/v1/import"),
]

# Every way to write an address of this machine that some resolver takes.
SPELLINGS = [
    "127.0.0.1", "127.1", "127.0.1", "localhost", "LOCALHOST", "localhost.", "[::1]",
    "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0", "0", "[::]",
    "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001", "127.0.0.001",
    "ip6-localhost", "127.0.0.2",
]


@pytest.fixture
def api(hark):
    return Api(hark)


@pytest.fixture
def cookie(api):
    return {"Cookie": f"theme=dark; {api.log_in()}"}


class TestToken:
    @pytest.mark.parametrize("method,path", TOKEN_ROUTES)
    def test_every_route_wants_it(self, api, method, path):
        answer = api.ask(path, method, token=False)
        assert_problem(answer, 401)
        assert answer.get("WWW-Authenticate").startswith("Bearer")

    def test_unknown_paths_want_it_too(self, api):
        assert_problem(api.ask("/api/v1/nothing", token=False), 401)
        assert_problem(api.ask("/api/v1/nothing"), 404)

    def test_the_cookie_counts_as_token(self, api, cookie):
        assert api.ask(STATUS, token=False, headers=cookie).status == 200

    @pytest.mark.parametrize("value", ["", "x", "{token}", "{right}x", "x{right}"])
    def test_another_cookie_does_not(self, api, value):
        right = api.log_in().removeprefix("hark_token=")
        field = {"Cookie": "hark_token=" + value.format(token=api.token, right=right)}
        assert_problem(api.ask(STATUS, token=False, headers=field), 401)

    # A browser sends it to every port of the host, so also to servers of other users.
    def test_the_cookie_is_not_the_token(self, api):
        value = api.log_in().removeprefix("hark_token=")
        assert_problem(api.ask(STATUS, token=value), 401)
        assert_problem(api.ask(f"/?token={value}", token=False), 401)

    def test_a_cookie_of_the_same_name_from_another_daemon_is_no_hindrance(self, api):
        field = {"Cookie": f"hark_token={'0' * 64}; {api.log_in()}"}
        assert api.ask(STATUS, token=False, headers=field).status == 200

    def test_the_page_with_the_token_sets_the_cookie_and_hides_it(self, api):
        answer = api.ask(f"/?token={api.token}", token=False)
        assert (answer.status, answer.get("Location")) == (303, "/")
        parts = answer.get("Set-Cookie").split("; ")
        assert parts[0].startswith("hark_token=")
        assert api.token not in answer.get("Set-Cookie")
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} == set(parts[1:])
        assert api.token not in answer.text

    def test_the_page_with_a_wrong_token_sets_none(self, api):
        answer = api.ask("/?token=" + "0" * 64, token=False)
        assert_problem(answer, 401)
        assert answer.get("Set-Cookie") is None

    def test_the_token_is_no_parameter_of_the_api(self, api):
        assert_problem(api.ask(STATUS, token=False, **{}), 401)
        assert_problem(api.ask(f"{STATUS}?token={api.token}", token=False), 401)

    def test_over_the_socket_none_is_wanted(self, hark):
        assert Api(hark, over_socket=True).ask(STATUS).status == 200


class TestOtherSites:
    @pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1",
                                      "127.0.0.1:1", "127.0.0.1.evil.example:{port}", "", "[::1]",
                                      "localhost.evil.example:{port}", "127.1:{port}"])
    @pytest.mark.parametrize("path", ["/", STATUS, "/livez"])
    def test_a_foreign_host_is_refused(self, hark, api, cookie, host, path):
        fields = {**cookie, "Host": host.format(port=hark.page_port)}
        assert_problem(api.ask(path, headers=fields), 403)

    @pytest.mark.parametrize("site", ["cross-site", "same-site"])
    @pytest.mark.parametrize("method,path", TOKEN_ROUTES)
    def test_what_a_browser_sends_for_another_site_is_refused(self, api, cookie, method, path,
                                                              site):
        fields = {**cookie, "Sec-Fetch-Site": site}
        assert_problem(api.ask(path, method, headers=fields), 403)

    @pytest.mark.parametrize("site", ["same-origin", "none"])
    def test_what_it_sends_for_the_page_is_not(self, api, cookie, site):
        assert api.ask(STATUS, token=False,
                       headers={**cookie, "Sec-Fetch-Site": site}).status == 200

    @pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:{port}",
                                        "http://127.0.0.1", "http://127.0.0.1:1",
                                        "http://localhost:{port}", ""])
    @pytest.mark.parametrize("method,path", [("POST", REPLAY), ("POST", "/api/v1/import")])
    def test_a_change_from_another_origin_is_refused(self, hark, api, cookie, origin, method, path):
        fields = {**cookie, "Origin": origin.format(port=hark.page_port),
                  "Content-Type": "application/json"}
        assert_problem(api.ask(path, method, body="{}", headers=fields), 403)

    def test_a_change_from_the_page_is_read(self, hark, api, cookie):
        fields = {**cookie, "Origin": hark.page_url, "Content-Type": "application/json"}
        assert api.ask(REPLAY, "POST", body="[]", token=False, headers=fields).status == 400

    @pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded",
                                      "multipart/form-data; boundary=x", "application/jsonp"])
    def test_what_a_form_can_send_is_refused(self, api, kind):
        fields = {"Content-Type": kind} if kind else {}
        assert_problem(api.ask(REPLAY, "POST", body="{}", headers=fields), 415)

    @pytest.mark.parametrize("path", ["/", STATUS, "/nothing"])
    def test_no_site_is_given_leave_to_read(self, api, path):
        fields = {"Origin": "http://evil.example", "Access-Control-Request-Method": "DELETE"}
        for method in ("GET", "OPTIONS"):
            answer = api.ask(path, method, headers=fields)
            assert not [n for n, _ in answer.fields if n.lower().startswith("access-control")]
            assert answer.get("Cross-Origin-Resource-Policy") == "same-origin"
            assert answer.get("X-Content-Type-Options") == "nosniff"
            assert "default-src 'none'" in answer.get("Content-Security-Policy")


class TestMethods:
    def test_options_names_the_methods(self, api):
        answer = api.ask(STATUS, "OPTIONS")
        assert (answer.status, answer.get("Allow"), answer.body) == (204, "GET, HEAD, OPTIONS", b"")

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"])
    def test_others_are_refused(self, api, method):
        answer = api.ask(STATUS, method)
        assert_problem(answer, 405)
        assert answer.get("Allow") == "GET, HEAD, OPTIONS"

    @pytest.mark.parametrize("path", [STATUS, "/api/v1/exchanges", "/livez"])
    def test_head_is_get_without_content(self, api, path):
        full, head = api.ask(path), api.ask(path, "HEAD")
        assert (head.status, head.body) == (full.status, b"")
        assert head.get("Content-Type") == full.get("Content-Type")

    def test_head_of_what_streams_ends(self, api):
        answer = api.ask("/api/v1/events", "HEAD")
        assert (answer.status, answer.body) == (200, b"")

    def test_a_long_body_is_refused(self, api):
        body = json.dumps({"filter": "x" * 2_000_000})
        fields = {"Content-Type": "application/json"}
        assert_problem(api.ask(REPLAY, "POST", body=body, headers=fields), 413)

    def test_one_connection_serves_many(self, hark, api):
        connection = http.client.HTTPConnection("127.0.0.1", hark.page_port, timeout=10)
        fields = {"Authorization": f"Bearer {api.token}"}
        for path in (STATUS, "/api/v1/exchanges", "/nothing", "/api/v1/exchanges/1", "/livez"):
            connection.request("GET", path, headers=fields)
            assert connection.getresponse().read()
        connection.close()


def resolves_here(host):
    """Does a resolver find this machine under that name?"""
    try:
        found = socket.getaddrinfo(host.strip("[]"), 80, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return bool(found)


class TestThroughTheProxy:
    @pytest.mark.parametrize("host", SPELLINGS)
    def test_the_page_is_out_of_reach(self, hark, api, client, host):
        there = f"{host}:{hark.page_port}"
        for path in ("/livez", STATUS, f"/?token={api.token}"):
            answer = client(hark).ask(
                f"GET http://{there}{path} HTTP/1.1\r\nHost: {there}\r\n"
                f"Authorization: Bearer {api.token}\r\n\r\n".encode())
            if resolves_here(host):
                assert (answer.status, answer.get("hark-error")) == (403, "forbidden")
            assert answer.status in (400, 403, 502)
            assert answer.body != b"ok\n"
