# SPDX-License-Identifier: MIT
"""docs/openapi.yaml describes what the daemon answers: every route, every parameter, no others."""

import re

import pytest
from harness.api import Api
from harness.conformance import fill
from harness.daemon import ROOT

yaml = pytest.importorskip("yaml")

DAEMON = {"ui": "127.0.0.1:0"}
ROUTE = re.compile(
    r'\{"(?P<method>[A-Z]+)",\s*"(?P<path>[^"]+)",\s*ROUTE_(?P<access>\w+),\s*WORK_\w+,'
    r'\s*CONTENT_(?P<content>\w+),\s*(?P<parameters>NULL|(?:"[^"]*"\s*)+),'
)


@pytest.fixture(scope="module")
def described():
    return yaml.safe_load((ROOT / "docs/openapi.yaml").read_text())


@pytest.fixture(scope="module")
def routes():
    """The lines of the table: (method, path) -> match."""
    text = (ROOT / "daemon/control/routes.c").read_text()
    table = text[text.index("routes[] = {") : text.index("\n};")]
    found = {(m["method"], m["path"]): m for m in ROUTE.finditer(table)}
    assert len(found) == table.count("ROUTE_")
    return found


def operations(described):
    """(method, path with * for each part in braces) -> the operation."""
    return {
        (method.upper(), re.sub(r"\{\w+\}", "*", path)): (item, operation)
        for path, item in described["paths"].items()
        for method, operation in item.items() if method != "parameters"
    }


def resolve(described, node):
    while "$ref" in node:
        target = described
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def test_it_is_openapi_3_1(described):
    assert described["openapi"].startswith("3.1.")
    assert described["info"]["title"] == "hark"


def test_every_reference_leads_somewhere(described):
    def walk(node):
        if isinstance(node, dict):
            assert resolve(described, node) is not None
            node = list(node.values())
        if isinstance(node, list):
            for child in node:
                walk(child)

    walk(described)


def test_every_route_is_described_and_no_other(described, routes):
    assert set(operations(described)) == set(routes)


def test_the_parameters_are_those_of_the_table(described, routes):
    for key, (item, operation) in operations(described).items():
        given = [resolve(described, p)
                 for p in item.get("parameters", []) + operation.get("parameters", [])]
        query = {p["name"] for p in given if p["in"] == "query"}
        known = set(re.findall(r"\w+", routes[key]["parameters"].replace("NULL", "")))
        assert query == known, key
        assert ("requestBody" in operation) == (routes[key]["content"] != "NONE"), key
        assert (operation.get("security") == []) == (routes[key]["access"] == "OPEN"), key


def test_rows_and_exchanges_are_as_described(described, hark, origin, client):
    peer = client(hark)
    peer.ask(fill(b"GET {url}/x HTTP/1.1\r\nHost: {host}\r\n\r\n", origin()))
    row = hark.row_of(peer)
    api, schemas = Api(hark), described["components"]["schemas"]
    first = api.exchanges(limit=1)[0]
    assert set(first) == set(schemas["Row"]["required"]) == set(schemas["Row"]["properties"])
    assert set(schemas["Exchange"]["required"]) <= set(api.read(f"/api/v1/exchanges/{row['id']}"))
