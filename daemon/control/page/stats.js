// SPDX-License-Identifier: MIT
// What the listed exchanges come to, by host and status. A host or a status is a way to its rows.
import { askJson } from "./api.js";
import { inBatches } from "./batches.js";
import { append, button, byId, h, problem, replace } from "./dom.js";
import { count, duration, exactSize, size } from "./format.js";

const SCALE_FROM_MS = 1; // what is quicker begins at the left end of its bar

// A value as one word of a filter.
function word(key, value) {
  return /^[\w.:[\]-]+$/.test(value) ? `${key}:${value}` : `${key}:"${value.replace(/[\\"]/g, "\\$&")}"`;
}

function hostWord({ host }) {
  return word("host", host.includes(":") ? `[${host}]` : host);
}

function statusWord({ status }) {
  return status === null ? "not status:>=100" : `status:${status}`;
}

function narrowed(filter, ...words) {
  const base = /\bor\b/i.test(filter) ? `(${filter})` : filter;
  return [base, ...words].filter(Boolean).join(" ");
}

// Durations differ by powers of ten, and so do the places on the bar.
function place(ms, longest) {
  const span = Math.log(Math.max(longest, 2 * SCALE_FROM_MS) / SCALE_FROM_MS);
  return 100 * Math.max(0, Math.log(Math.max(ms, SCALE_FROM_MS) / SCALE_FROM_MS) / span);
}

// From the median to the 99th percentile, with a mark at the 90th.
function bar(row, longest) {
  const from = place(row.p50_ms, longest);
  const range = h("span", { class: "st-range" });
  const mark = h("span", { class: "st-mark" });
  range.style.left = `${from}%`;
  range.style.width = `${place(row.p99_ms, longest) - from}%`;
  mark.style.left = `${place(row.p90_ms, longest)}%`;
  return h("span", { class: "track st-track", "aria-hidden": "true" }, range, mark);
}

const statusColour = ({ status }) => `s-${status === null ? "none" : Math.floor(status / 100)}`;

function line(row, isFirstOfHost, longest, use) {
  const host = row.host === null ? "no host"
    : button(row.host, () => use(hostWord(row)), { class: "st-link st-host", title: `Only ${row.host}` });
  const words = [row.host === null ? null : hostWord(row), statusWord(row)];
  const isTimed = row.p50_ms !== null;
  const number = (text, name = "") => h("td", { class: `number ${name}` }, text);
  return h("tr", { class: isFirstOfHost ? "st-first" : null },
    h("th", { scope: "row" }, isFirstOfHost ? host : h("span", { class: "hidden" }, row.host)),
    h("td", {}, button(row.status === null ? "none" : String(row.status), () => use(...words),
      { class: `st-link c-status ${statusColour(row)}`, title: `Only ${words.filter(Boolean).join(" ")}` })),
    number(row.count.toLocaleString("en")),
    number(row.errors ? h("span", { class: "s-5" }, row.errors.toLocaleString("en")) : ""),
    h("td", { class: "number st-size", title: exactSize(row.response_bytes) }, size(row.response_bytes)),
    number(duration(row.p50_ms)), number(duration(row.p90_ms), "st-p90"), number(duration(row.p99_ms)),
    h("td", { class: "st-bar" }, isTimed ? bar(row, longest) : null));
}

function head() {
  const names = [["Host", ""], ["Status", ""], ["Count", "number"], ["Errors", "number"],
    ["Answers", "number st-size"], ["p50", "number"], ["p90", "number st-p90"], ["p99", "number"],
    ["p50 – p99", "st-bar"]];
  return h("thead", {}, h("tr", {}, names.map(([name, kind]) =>
    h("th", { scope: "col", class: kind || null }, name))));
}

function table(rows, use) {
  const body = h("tbody");
  const longest = Math.max(...rows.map((row) => row.p99_ms ?? 0));
  const more = inBatches(body, rows.length, (from, to) => rows.slice(from, to).map((row, i) =>
    line(row, rows[from + i - 1]?.host !== row.host, longest, use)));
  return [h("table", { class: "stats-table" }, head(), body), more];
}

function summary(rows, filter, again) {
  const sum = (name) => rows.reduce((total, row) => total + row[name], 0);
  const errors = sum("errors");
  return h("div", { class: "stats-head" },
    h("p", {}, h("strong", {}, count(sum("count"), "exchange", "exchanges")),
      filter ? [" match ", h("code", {}, filter)] : " in the recording",
      errors ? `, ${count(errors, "error", "errors")}` : ", no errors"),
    button("Count again", again, { class: "button small" }));
}

export class Stats {
  // `use` is told the filter that somebody chose.
  constructor(use) {
    this.box = byId("stats");
    this.use = use;
    this.controller = null;
  }

  get isOpen() {
    return !this.box.hidden;
  }

  close() {
    this.controller?.abort();
    this.box.hidden = true;
    replace(this.box);
  }

  async open(filter) {
    this.controller?.abort();
    this.controller = new AbortController();
    const { signal } = this.controller;
    this.box.hidden = false;
    this.box.setAttribute("aria-busy", "true");
    if (!this.box.firstChild) replace(this.box, h("p", { class: "nothing" }, "Counting…"));
    try {
      const { stats } = await askJson("stats", { filter }, { signal });
      this.draw(stats, filter);
    } catch (error) {
      if (error.name === "AbortError") return;
      replace(this.box, problem(error, () => this.open(filter)));
    }
    this.box.removeAttribute("aria-busy");
  }

  draw(rows, filter) {
    const use = (...words) => this.use(narrowed(filter, ...words));
    replace(this.box, summary(rows, filter, () => this.open(filter)));
    append(this.box, rows.length > 0 ? table(rows, use) : h("p", { class: "nothing" }, "Nothing to count"));
  }
}
