// SPDX-License-Identifier: MIT
// Things that came one after the other, each with its time: events of a stream, messages of a
// WebSocket. A line unfolds into the whole of it.
import { button, h } from "./dom.js";
import { duration, size } from "./format.js";
import { hexDump } from "./hex.js";
import { isJson, jsonTree } from "./json_text.js";

const PREVIEW_CHARS = 300;
const WHOLE_CHARS = 200000;
const BATCH = 500;

function wholeOf(item) {
  if (item.bytes) return h("pre", { class: "text" }, hexDump(item.bytes));
  const text = item.text || "";
  if (/^\s*[[{]/.test(text) && isJson(text)) return jsonTree(text);
  const shown = text.length > WHOLE_CHARS ? `${text.slice(0, WHOLE_CHARS)}…` : text;
  return h("pre", { class: "text" }, shown);
}

function previewOf(item) {
  if (item.bytes) return hexDump(item.bytes.slice(0, 16)).slice(10);
  return (item.text || "").slice(0, PREVIEW_CHARS).replace(/\s+/g, " ");
}

function times(item, previous) {
  if (item.at_us === null || item.at_us === undefined) return null;
  const pause = previous?.at_us === undefined || previous?.at_us === null
    ? null : item.at_us - previous.at_us;
  return [
    h("span", { class: "t-time" }, duration(item.at_us / 1000)),
    h("span", { class: "t-pause" }, pause === null ? "" : `+${duration(pause / 1000)}`),
  ];
}

// An item: {at_us, kind, label, text or bytes, size, problem}; kind is a class.
function line(item, previous) {
  const details = h("details", { class: `t-item ${item.kind || ""}` },
    h("summary", {}, times(item, previous),
      item.label && h("span", { class: "t-label" }, item.label),
      h("span", { class: "t-text" }, previewOf(item)),
      h("span", { class: "t-size" }, item.size === undefined ? "" : size(item.size))));
  details.addEventListener("toggle", () => {
    if (!details.open || details.childElementCount > 1) return;
    if (item.problem) details.append(h("p", { class: "problem-line" }, item.problem));
    details.append(wholeOf(item));
  });
  return details;
}

export class Timeline {
  constructor(label) {
    this.items = [];
    this.shown = 0;
    this.allowed = BATCH;
    this.list = h("ol", { class: "timeline", "aria-label": label });
    this.more = button("", () => {
      this.allowed += BATCH;
      this.show();
    });
    this.more.hidden = true;
    this.element = h("div", {}, this.list, this.more);
  }

  add(items) {
    this.items.push(...items);
    this.show();
  }

  show() {
    const until = Math.min(this.items.length, this.allowed);
    for (; this.shown < until; this.shown += 1) {
      this.list.append(h("li", {}, line(this.items[this.shown], this.items[this.shown - 1])));
    }
    const left = this.items.length - this.shown;
    this.more.hidden = left === 0;
    this.more.textContent = `Show ${Math.min(left, BATCH)} of ${left.toLocaleString("en")} more`;
  }
}
