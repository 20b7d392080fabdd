// SPDX-License-Identifier: MIT
// Names with values: header fields, query parameters, forms, facts.
import { inBatches } from "./batches.js";
import { button, h, say } from "./dom.js";
import { copyText } from "./copy.js";

// A table of [name, value]; values as they were recorded. Null without any.
export function pairTable(title, pairs) {
  if (!pairs || pairs.length === 0) return null;
  const body = h("tbody");
  const more = inBatches(body, pairs.length, (from, to) => pairs.slice(from, to).map(
    ([name, value]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, value))));
  return [h("table", { class: "pairs", "aria-label": title }, body), more];
}

export function section(title, content, { note, isOpen = true, tools } = {}) {
  if (!content) return null;
  return h("details", { class: "section", open: isOpen },
    h("summary", {}, h("h3", {}, title), note && h("span", { class: "note" }, note)),
    tools && h("div", { class: "section-tools" }, tools), content);
}

export function headerSection(title, fields, isOpen = true) {
  if (!fields || fields.length === 0) return null;
  const text = fields.map(([name, value]) => `${name}: ${value}`).join("\n");
  const copy = button("Copy", async () => {
    if (await copyText(text)) say(`${title} copied`);
  }, { class: "button small" });
  return section(title, pairTable(title, fields),
    { note: String(fields.length), isOpen, tools: copy });
}

// What cannot be decoded is shown as it is.
function decodePart(text) {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return text;
  }
}

export function formPairs(text) {
  return text.split("&").filter(Boolean).map((part) => {
    const [name, ...value] = part.split("=");
    return [decodePart(name), decodePart(value.join("="))];
  });
}

// A list of facts; those without a value are left out.
export function facts(pairs) {
  const known = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return h("dl", { class: "facts" }, known.map(([name, value]) =>
    h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}
