# SPDX-License-Identifier: MIT
"""The page in a real browser: for everybody, by keyboard, by ear, in any light and width."""

import json

import pytest
from harness.origin import replies
from harness.page import ROWS, fetch, fetch_all, recorded, response


# --- for everybody -------------------------------------------------------------------------------


def test_keyboard_alone_is_enough(recorder, open_page, origin, client):
    server = origin(replies(response(b'{"a": 1}', "application/json")))
    fetch_all(client, recorder, server, *(f"/n{number}" for number in range(5)))
    page = open_page(recorder)
    page.wait_text(ROWS, "/n4")
    page.key("/")
    page.type("path:/n*")
    page.key("Enter", "Escape")
    page.wait("document.activeElement.id === 'grid'")
    page.key("j", "j", "k", "ArrowDown", "Enter")
    page.wait_text("#detail h2", "GET")
    assert page.js("document.querySelector('#grid').getAttribute('aria-activedescendant')") == "row-4"
    page.wait_text(".d-url", "/n3")
    page.key("]")
    page.wait_text("[role=tab][aria-selected=true]", "Timing")
    page.key("[", "[")
    page.wait_text("[role=tab][aria-selected=true]", "Request")
    page.key("j")
    page.wait_text(".d-url", "/n2")
    page.wait_text("[role=tab][aria-selected=true]", "Request")
    page.key("Escape")
    page.wait("document.querySelector('#detail').hidden && document.activeElement.id === 'grid'")
    page.key("?")
    page.wait("document.querySelector('#help-dialog').open")
    page.key("Escape")
    page.wait("!document.querySelector('#help-dialog').open")


def test_screen_reader_is_told_roles_and_names(recorder, open_page, origin, client):
    fetch(client, recorder, origin(response(b"x")), "/x")
    page = open_page(recorder, f"/?id={recorded(recorder)[0]}")
    page.wait("!!document.querySelector('#panel')")
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    roles = {(n["role"]["value"], n.get("name", {}).get("value", "")) for n in nodes if not n["ignored"]}
    assert {"grid", "row", "gridcell", "columnheader", "tablist", "tab", "tabpanel", "status",
            "searchbox"} <= {role for role, _ in roles}
    assert [name for role, name in roles if role in ("button", "tab", "searchbox", "grid") and not name] == []


# The contrast of every text in sight with what it stands on (WCAG 2), where it is under 4.5.
WEAK_TEXTS = """(() => {
    const context = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    const rgba = (color) => {
        context.clearRect(0, 0, 1, 1);
        context.fillStyle = color;
        context.fillRect(0, 0, 1, 1);
        return [...context.getImageData(0, 0, 1, 1).data];
    };
    const under = (element) => {
        const layers = [];
        for (let e = element; e; e = e.parentElement) layers.push(rgba(getComputedStyle(e).backgroundColor));
        return layers.reverse().reduce((base, [r, g, b, a]) =>
            base.map((c, i) => c + ([r, g, b][i] - c) * a / 255), [255, 255, 255]);
    };
    const light = (color) => color.slice(0, 3).map((c) => c / 255)
        .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const weak = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
        const [a, b] = [light(rgba(getComputedStyle(element).color)), light(under(element))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5) weak.push([walker.currentNode.data.trim().slice(0, 30), ratio.toFixed(2)]);
    }
    return weak;
})()"""


@pytest.mark.parametrize("dark", [False, True])
def test_texts_can_be_read_in_both_schemes(recorder, open_page, origin, client, dark):
    server = origin(replies(*(response(b'{"a": [1, true, "b"]}', "application/json", status) for status in
                              ("200 OK", "302 Found", "404 Not Found", "503 Unavailable"))))
    for _ in range(4):
        fetch(client, recorder, server)
    client(recorder).ask(b"GET http://127.0.0.1:9/x HTTP/1.1\r\nHost: 127.0.0.1:9\r\n\r\n")
    page = open_page(recorder, f"/?id={recorded(recorder, 5)[3]}&tab=response", dark=dark)
    page.wait_text(".json", "true")
    assert page.js(WEAK_TEXTS) == []
    page.click("#tab-timing")
    page.key("?")
    page.wait("document.querySelector('#help-dialog').open")
    assert page.js(WEAK_TEXTS) == []


def test_colours_follow_the_system_or_the_choice(recorder, open_page):
    page = open_page(recorder, dark=True)
    back = "getComputedStyle(document.body).backgroundColor"
    dark = page.js(back)
    page.set_dark(False)
    page.wait(f"{back} !== '{dark}'")
    page.key("t", "t")
    page.wait(f"{back} === '{dark}'")
    page.go(recorder.page_url + "/")
    assert page.js(back) == dark, "forgotten"


def test_phone_width_needs_no_sideways_scrolling(recorder, open_page, origin, client):
    long = "/v1/" + "averylongpathsegment" * 8
    server = origin(response(json.dumps({"k" * 90: "v" * 300}).encode(), "application/json"))
    fetch(client, recorder, server, long, f"X-Long: {'l' * 400}")
    page = open_page(recorder, size=(375, 700))
    page.wait_text(ROWS, "/v1/")
    wide = "[document.scrollingElement, ...document.querySelectorAll('#grid, #panel')].filter(e => e.scrollWidth > e.clientWidth).length"
    assert page.js(wide) == 0
    page.click(ROWS)
    page.wait("!!document.querySelector('#panel')")
    for tab in ("overview", "request", "response", "timing", "connection", "raw"):
        page.click(f"#tab-{tab}")
        page.wait(f"document.querySelector('#tab-{tab}').ariaSelected === 'true'")
        assert page.js(wide) == 0, tab
    page.click(".close")
    page.wait("document.querySelector('#detail').hidden")
    page.wait_text(ROWS, "/v1/")
