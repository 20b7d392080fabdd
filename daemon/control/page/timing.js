// SPDX-License-Identifier: MIT
// Where the time went: the phases as bars on one scale, and the segments of both bodies on it.
import { inBatches } from "./batches.js";
import { h } from "./dom.js";
import { exactSize, longTime, microseconds, size } from "./format.js";
import { facts, section } from "./pairs.js";

const phases = [
  ["dns_us", "Name resolution"],
  ["connect_us", "TCP connection"],
  ["tls_us", "TLS handshake"],
  ["send_us", "Sending the request"],
  ["wait_us", "Waiting for the answer"],
  ["receive_us", "Receiving the answer"],
];
const TICKS = 2000;

// One phase begins where the one before ends. What hark and the client took comes first.
export function phasesOf(exchange) {
  const known = phases.filter(([key]) => exchange[key] !== null && exchange[key] !== undefined);
  const sum = known.reduce((total, [key]) => total + exchange[key], 0);
  const whole = Math.max(exchange.duration_us ?? 0, sum, 1);
  let start = whole - sum;
  const list = [];
  if (start > whole / 100) list.push({ key: "other", name: "Before the request went out", start: 0, us: start });
  for (const [key, name] of known) {
    list.push({ key, name, start, us: exchange[key] });
    start += exchange[key];
  }
  return { list, whole };
}

function bar({ key, start, us }, whole) {
  const element = h("span", { class: `phase p-${key.replace("_us", "")}` });
  element.style.left = `${(start / whole) * 100}%`;
  element.style.width = `${(us / whole) * 100}%`;
  return h("span", { class: "track", "aria-hidden": "true" }, element);
}

function phaseTable(exchange) {
  const { list, whole } = phasesOf(exchange);
  if (exchange.duration_us === null || exchange.duration_us === undefined) return null;
  const rows = list.map((phase) => h("tr", {},
    h("th", { scope: "row" }, phase.name),
    h("td", { class: "bars" }, bar(phase, whole)),
    h("td", { class: "number" }, microseconds(phase.us))));
  return h("table", { class: "phases", "aria-label": "Phases" }, h("tbody", {}, rows,
    h("tr", { class: "total" }, h("th", { scope: "row" }, "Total"), h("td"),
      h("td", { class: "number" }, microseconds(exchange.duration_us)))));
}

// A thin strip of all phases, for the overview.
export function phaseStrip(exchange) {
  const { list, whole } = phasesOf(exchange);
  if (!exchange.duration_us || list.length === 0) return null;
  const strip = h("div", { class: "strip", "aria-hidden": "true" });
  for (const phase of list) {
    const part = h("span", { class: `phase p-${phase.key.replace("_us", "")}`,
      title: `${phase.name}: ${microseconds(phase.us)}` });
    part.style.left = `${(phase.start / whole) * 100}%`;
    part.style.width = `${(phase.us / whole) * 100}%`;
    strip.append(part);
  }
  return strip;
}

// --- segments ------------------------------------------------------------------------------------

function lane(name, side, segments, whole) {
  const own = segments.filter(([of]) => of === side);
  if (own.length === 0) return null;
  const track = h("span", { class: "track lane", "aria-hidden": "true" });
  const step = Math.ceil(own.length / TICKS);
  for (let i = 0; i < own.length; i += step) {
    const tick = h("span", { class: "tick" });
    tick.style.left = `${Math.min(100, (own[i][1] / whole) * 100)}%`;
    track.append(tick);
  }
  return h("div", { class: "lane-row" }, h("span", {}, name), track);
}

function segmentRows(segments, from, until) {
  const rows = [];
  for (let i = from; i < until; i += 1) {
    const [side, atUs, bytes] = segments[i];
    const pause = i > 0 ? atUs - segments[i - 1][1] : null;
    rows.push(h("tr", {}, h("td", { class: "number" }, microseconds(atUs)),
      h("td", { class: "number quiet" }, pause === null ? "" : `+${microseconds(Math.max(0, pause))}`),
      h("td", {}, side), h("td", { class: "number" }, size(bytes))));
  }
  return rows;
}

function segmentTable(segments) {
  const body = h("tbody");
  const more = inBatches(body, segments.length, (from, to) => segmentRows(segments, from, to));
  return h("div", {}, h("table", { class: "segments" },
    h("thead", {}, h("tr", {}, h("th", { scope: "col", class: "number" }, "At"),
      h("th", { scope: "col", class: "number" }, "After"), h("th", { scope: "col" }, "Side"),
      h("th", { scope: "col", class: "number" }, "Bytes"))), body), more);
}

function segmentView(exchange) {
  const segments = [...(exchange.chunks || [])].sort((a, b) => a[1] - b[1]);
  if (segments.length === 0) return null;
  const { whole } = phasesOf(exchange);
  const longest = Math.max(whole, segments[segments.length - 1][1]);
  return h("div", {}, lane("Request", "request", segments, longest),
    lane("Response", "response", segments, longest), segmentTable(segments));
}

export function timingView({ exchange }) {
  const started = exchange.started_us;
  const count = exchange.chunks?.length ?? 0;
  return h("div", {},
    facts([
      ["Began", longTime(started)],
      ["Ended", exchange.duration_us ? longTime(started + exchange.duration_us) : "goes on"],
      ["Request body", exactSize(exchange.request_size)],
      ["Response body", exactSize(exchange.response_size)],
    ]),
    section("Phases", phaseTable(exchange)),
    section("Segments of the bodies", segmentView(exchange),
      { note: count >= 10000 ? "the first 10,000" : String(count) }));
}
