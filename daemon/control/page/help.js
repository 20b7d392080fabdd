// SPDX-License-Identifier: MIT
// What the keys do and how to filter; and, while nothing is recorded, how to begin.
import { button, byId, h, say } from "./dom.js";
import { copyText } from "./copy.js";
import { openDialog } from "./dialog.js";

const keys = [
  ["/", "Filter"],
  ["j k ↓ ↑", "Next and previous exchange"],
  ["Enter", "Open"],
  ["Esc", "Close, or leave the filter"],
  ["[ ]", "Previous and next view of an exchange"],
  ["g G", "Newest, oldest of what is loaded"],
  ["p", "Stop and go on with what is new"],
  ["m", "Mark"],
  ["c", "Copy as curl"],
  ["x", "Compare with another exchange"],
  ["r", "Send again"],
  ["s", "Statistics"],
  ["t", "Light, dark, or as the system has it"],
  ["?", "This help"],
];

const filters = [
  ["host:*.example.com", "the host; * stands for anything"],
  ["path:/v1/*", "the path"],
  ["status:>=400  status:5xx", "the status"],
  ["method:POST type:json", "words beside each other: both"],
  ["dur:>500ms  size:>1k", "how long it took, how large the answer is"],
  ["since:10m", "when"],
  ["header:set-cookie", "a field, of either side"],
  ["body:\"no such user\"", "text in either body"],
  ["is:error  is:websocket  is:pending", "what became of it, what it is"],
  ["a or (b not c)", "or, not, parentheses"],
];

function list(title, pairs, use) {
  return h("section", {}, h("h3", {}, title), h("dl", { class: "help-list" },
    pairs.map(([name, text]) => h("div", {}, h("dt", {}, use(name)), h("dd", {}, text)))));
}

export function openHelp(useFilter) {
  const dialog = byId("help-dialog");
  const keyCaps = (text) => text.split(" ").map((key) => [h("kbd", {}, key), " "]);
  const examples = (text) => text.split("  ").map((one) => [button(one, () => {
    dialog.close();
    useFilter(one);
  }, { class: "code-button" }), " "]);
  openDialog(dialog, "Keys and filters", h("div", { class: "help-columns" },
    list("Keys", keys, keyCaps), list("Filters", filters, examples)));
}

// A command to be copied.
function command(text) {
  return h("div", { class: "command" }, h("code", {}, text), button("Copy", async () => {
    if (await copyText(text)) say("Command copied");
  }, { class: "button small", "aria-label": `Copy: ${text}` }));
}

export function setUpHelp(proxy) {
  return [
    h("h2", {}, "Nothing recorded yet"),
    h("p", {}, "Send a request through hark, and it appears here."),
    h("h3", {}, "One request"),
    command(`curl -x ${proxy} http://example.com/`),
    h("h3", {}, "A program, HTTPS included"),
    command("hark run -- python3 app.py"),
    h("h3", {}, "Everything in this shell"),
    command('eval "$(hark env)"'),
  ];
}
