# SPDX-License-Identifier: MIT
"""POST /api/v1/replay: what hark replay does, asked over HTTP."""

import http.client
import json
import socket
import threading

import pytest
from harness import SCALE, wait_stable
from harness.origin import OK
from harness.replaying import record, request, with_length


class TestOverHttp:
    @pytest.fixture
    def api(self, daemon, origin, client):
        """api(body, method, path): status, header fields and lines of the answer; with a daemon
        that has recorded one GET and two POSTs."""
        server = origin(OK)
        hark = daemon(ui="127.0.0.1:0")
        raws = [request(server.url + "/0")] + [with_length(server.url + "/1", b"x")] * 2
        ids = record(hark, client, *raws)
        token = (hark.data_dir / "token").read_text().strip()

        def ask(body=None, method="POST", path="/api/v1/replay"):
            connection = http.client.HTTPConnection("127.0.0.1", hark.page_port, timeout=20 * SCALE)
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
            text = body if isinstance(body, str) or body is None else json.dumps(body)
            connection.request(method, path, text, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode().splitlines()

        ask.ids, ask.hark, ask.server = ids, hark, server
        return ask

    def test_results_are_lines(self, api):
        status, headers, lines = api(
            {"ids": [api.ids[2], f"{api.ids[0]}..{api.ids[1]}"], "yes": True,
             "set_headers": [["X-Try", "2"]], "drop_headers": ["content-type"],
             "set_query": [["q", "1"]], "concurrency": 1, "repeat": 1}
        )
        results = [json.loads(line) for line in lines]
        assert status == 200
        assert [one["replay_of"] for one in results] == [api.ids[2], api.ids[0], api.ids[1]]
        row = api.hark.wait_row("id = ?", results[0]["id"])
        assert str(row["session_id"]) == headers["Hark-Session"]
        assert api.server.requests[-1].get("X-Try") == "2"
        assert api.server.requests[-1].target == "/1?q=1"
        command = api.hark.value("SELECT command FROM session WHERE id = ?", row["session_id"])
        assert command == "POST /api/v1/replay"

    @pytest.mark.parametrize("which", ["method:POST", ["method:POST", "path:/1"]], ids=repr)
    def test_consent(self, api, which):
        status, _, lines = api({"filter": which})
        assert status == 409 and "2 of the 2" in json.loads("".join(lines))["detail"]
        assert len(api.server.requests) == 3
        assert len(api({"filter": which, "yes": True})[2]) == 2

    @pytest.mark.parametrize(
        "body",
        [
            "", "[]", "{", "{}", '{"ids":[]}', '{"ids":["1-2"]}', '{"ids":["3..1"]}', '{"ids":[-1]}',
            '{"ids":[1.5]}',
            '{"ids":[1],"filter":"x"}', '{"ids":[1],"to":"x"}', '{"ids":[1],"to":7}',
            '{"ids":[1],"set_headers":{"a":"b"}}', '{"ids":[1],"set_headers":[["Host","a b"]]}',
            '{"ids":[1],"drop_headers":"x"}', '{"ids":[1],"concurrency":0}',
            '{"ids":[1],"concurrency":99999}', '{"ids":[1],"rate":"1"}', '{"ids":[1],"rate":0}',
            '{"ids":[1],"pace":"slow"}', '{"ids":[1],"speed":2}', '{"ids":[1],"yes":1}',
            '{"ids":[1],"repeat":0}', '{"ids":[1],"concurency":1}', '{"ids":[1],"ids":[2]}',
            '{"filter":" "}', '{"filter":[]}',
        ],
    )
    def test_bad_bodies_send_nothing(self, api, body):
        status, headers, lines = api(body)
        assert status == 400, lines
        assert headers["Content-Type"] == "application/problem+json"
        assert json.loads("".join(lines))["detail"]
        assert len(api.server.requests) == 3

    def test_a_mistake_in_the_filter_has_its_column(self, api):
        status, _, lines = api({"filter": "method:GET stauts:200"})
        problem = json.loads("".join(lines))
        assert status == 400 and problem["column"] == 12

    def test_the_token_is_wanted(self, api):
        connection = http.client.HTTPConnection("127.0.0.1", api.hark.page_port, timeout=20 * SCALE)
        connection.request("POST", "/api/v1/replay", '{"ids":[1]}',
                           {"Content-Type": "application/json"})
        assert connection.getresponse().status == 401
        assert len(api.server.requests) == 3

    def test_a_client_that_leaves_stops_its_run(self, api):
        body = json.dumps({"ids": [api.ids[0]], "repeat": 1000000}).encode()
        token = (api.hark.data_dir / "token").read_text().strip().encode()
        with socket.create_connection(("127.0.0.1", api.hark.page_port)) as sock:
            sock.sendall(
                b"POST /api/v1/replay HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer %s\r\n"
                b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                % (api.hark.page_port, token, len(body), body)
            )
            api.server.wait_requests(20)
        wait_stable(lambda: len(api.server.requests), "requests to end")
        assert len(api.server.requests) < 1000000
        assert api.hark.value("SELECT state FROM session ORDER BY id DESC") == "ended"

    def test_stop_by_session(self, api):
        assert api(None, "DELETE", "/api/v1/replay/77")[0] == 404
        answers = []
        body = {"ids": [api.ids[0]], "repeat": 1000000}
        runner = threading.Thread(target=lambda: answers.append(api(body)))
        runner.start()
        api.server.wait_requests(20)
        session = api.hark.wait_row("source = 'replay'")["session_id"]
        assert api(None, "DELETE", f"/api/v1/replay/{session}")[0] == 204
        runner.join(20 * SCALE)
        status, _, lines = answers[0]
        assert status == 200 and len(lines) == len(api.server.requests) - 3

    def test_the_daemon_may_end_meanwhile(self, api):
        answers = []

        def run():
            try:
                answers.append(api({"ids": [api.ids[0]], "repeat": 1000000})[0])
            except (http.client.HTTPException, OSError):
                answers.append("cut")

        runner = threading.Thread(target=run)
        runner.start()
        api.server.wait_requests(20)
        api.hark.stop()
        runner.join(20 * SCALE)
        assert answers
        assert api.hark.value("SELECT count(*) FROM exchange WHERE state = 'pending'") == 0
