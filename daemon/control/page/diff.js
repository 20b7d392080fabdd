// SPDX-License-Identifier: MIT
// Two exchanges beside each other: what the second has otherwise than the first.
import { askJson } from "./api.js";
import { inBatches } from "./batches.js";
import { h, problem, replace } from "./dom.js";
import { count } from "./format.js";

function shown(value) {
  if (value === null || value === undefined) return h("span", { class: "quiet" }, "none");
  return typeof value === "string" ? value : JSON.stringify(value);
}

function place({ side, where, path, note }) {
  return [h("span", { class: "d-where" }, side === "request" ? `request ${where}` : where),
    path ? ` ${path}` : null,
    note ? h("div", { class: "note" }, note) : null];
}

function line(one) {
  return h("tr", {}, h("th", { scope: "row" }, place(one)),
    h("td", { class: "d-old" }, shown(one.old)), h("td", { class: "d-new" }, shown(one.new)));
}

function table(differences, a, b) {
  const body = h("tbody");
  const more = inBatches(body, differences.length, (from, to) => differences.slice(from, to).map(line));
  return h("div", {}, h("table", { class: "diff" },
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "What"),
      h("th", { scope: "col" }, `#${a}`), h("th", { scope: "col" }, `#${b}`))), body), more);
}

async function load(box, a, b, signal) {
  try {
    const { same, differences } = await askJson("diff", { a, b }, { signal });
    if (same) replace(box, h("p", { class: "nothing" }, "Both are the same"));
    else replace(box, h("p", { class: "note" }, count(differences.length, "difference", "differences")),
      table(differences, a, b));
  } catch (error) {
    if (error.name !== "AbortError") replace(box, problem(error, () => load(box, a, b, signal)));
  }
}

export function diffView({ exchange, compare, signal }) {
  const box = h("div", {}, h("p", { class: "nothing" }, "Comparing…"));
  load(box, compare, exchange.id, signal);
  return box;
}
