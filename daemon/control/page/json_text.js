// SPDX-License-Identifier: MIT
// JSON laid out as a tree that is built as it is unfolded. JSON.parse() says whether it is JSON;
// what is shown is the text itself, so that long numbers, repeated names and the order of members
// stay as they were sent.
import { button, h } from "./dom.js";

const OPEN_CHARS = 1500; // what is no longer than this is unfolded at first
const BATCH = 200; // members shown at a time
const STRING_CHARS = 2000;

export function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

// --- finding the members of a value in text that is known to be JSON -----------------------------

const isSpace = (c) => c === " " || c === "\n" || c === "\r" || c === "\t";

function skipSpace(text, at) {
  let i = at;
  while (isSpace(text[i])) i += 1;
  return i;
}

function skipString(text, at) {
  let i = at + 1;
  while (text[i] !== '"') i += text[i] === "\\" ? 2 : 1;
  return i + 1;
}

function skipValue(text, at) {
  if (text[at] === '"') return skipString(text, at);
  let i = at;
  if (text[i] !== "{" && text[i] !== "[") {
    while (i < text.length && !",]}".includes(text[i]) && !isSpace(text[i])) i += 1;
    return i;
  }
  let depth = 0;
  do {
    const c = text[i];
    if (c === '"') {
      i = skipString(text, i);
      continue;
    }
    if (c === "{" || c === "[") depth += 1;
    else if (c === "}" || c === "]") depth -= 1;
    i += 1;
  } while (depth > 0);
  return i;
}

// Yields {key, start, end}; the key is as it stands in the text, null in an array.
function* members(text, start) {
  const isObject = text[start] === "{";
  let i = skipSpace(text, start + 1);
  while (text[i] !== "}" && text[i] !== "]") {
    let key = null;
    if (isObject) {
      const end = skipString(text, i);
      key = text.slice(i, end);
      i = skipSpace(text, skipSpace(text, end) + 1);
    }
    const end = skipValue(text, i);
    yield { key, start: i, end };
    i = skipSpace(text, end);
    if (text[i] === ",") i = skipSpace(text, i + 1);
  }
}

function countMembers(text, start) {
  let count = 0;
  for (const _ of members(text, start)) count += 1;
  return count;
}

// --- showing them --------------------------------------------------------------------------------

function kindOf(source) {
  if (source[0] === '"') return "string";
  if (source === "true" || source === "false") return "bool";
  return source === "null" ? "null" : "number";
}

function leaf(source) {
  const element = h("span", { class: `j-${kindOf(source)}` });
  if (source.length <= STRING_CHARS) {
    element.textContent = source;
    return element;
  }
  element.textContent = `${source.slice(0, STRING_CHARS)}…`;
  const more = button(`all ${source.length.toLocaleString("en")} characters`, () => {
    element.textContent = source;
    more.remove();
  }, { class: "button small" });
  return h("span", {}, element, " ", more);
}

function label(key, index) {
  if (key === null) return index === null ? null : h("span", { class: "j-index" }, `${index}`);
  return [h("span", { class: "j-key" }, key), h("span", { class: "j-mark" }, ": ")];
}

function fill(box, text, start) {
  const rest = members(text, start);
  const isArray = text[start] === "[";
  let index = 0;
  const showSome = () => {
    for (let shown = 0; shown < BATCH; shown += 1) {
      const { value, done } = rest.next();
      if (done) return;
      box.append(node(text, value, isArray ? index : null));
      index += 1;
    }
    const more = button("more", () => {
      more.remove();
      showSome();
    }, { class: "button small" });
    box.append(more);
  };
  showSome();
}

function folded(text, member, index) {
  const isArray = text[member.start] === "[";
  const count = countMembers(text, member.start);
  const noun = isArray ? ["item", "items"] : ["key", "keys"];
  const box = h("div", { class: "j-box" });
  const details = h("details", { class: "j-node" },
    h("summary", {}, label(member.key, index), h("span", { class: "j-mark" }, isArray ? "[" : "{"),
      h("span", { class: "j-count" }, `${count.toLocaleString("en")} ${noun[count === 1 ? 0 : 1]}`),
      h("span", { class: "j-mark" }, isArray ? "]" : "}")),
    box);
  details.addEventListener("toggle", () => {
    if (details.open && box.childElementCount === 0) fill(box, text, member.start);
  });
  if (member.end - member.start <= OPEN_CHARS) {
    fill(box, text, member.start);
    details.open = true;
  }
  return details;
}

function node(text, member, index) {
  const first = text[member.start];
  const isFoldable = (first === "{" || first === "[") &&
    !"}]".includes(text[skipSpace(text, member.start + 1)]);
  if (isFoldable) return folded(text, member, index);
  const source = text.slice(member.start, member.end);
  return h("div", { class: "j-leaf" }, label(member.key, index),
    first === "{" || first === "[" ? h("span", { class: "j-mark" }, source) : leaf(source));
}

export function jsonTree(text) {
  const start = skipSpace(text, 0);
  const root = node(text, { key: null, start, end: skipValue(text, start) }, null);
  const box = root.querySelector(".j-box");
  if (box && box.childElementCount === 0) fill(box, text, start);
  if (root.tagName === "DETAILS") root.open = true;
  return h("div", { class: "json" }, root);
}
