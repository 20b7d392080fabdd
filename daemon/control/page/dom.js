// SPDX-License-Identifier: MIT
// Making elements. Text becomes text nodes and nothing else, so what was recorded never runs.

// h("a", {class: "x", href: "/", onclick: f}, "text", element, null, [more…])
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    const isState = name.startsWith("aria-"); // there "false" says something
    if (value === undefined || value === null || (value === false && !isState)) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true && !isState ? "" : String(value));
  }
  append(element, children);
  return element;
}

export function append(element, children) {
  for (const child of [children].flat(Infinity)) {
    if (child === undefined || child === null || child === false) continue;
    element.append(child);
  }
  return element;
}

export function replace(element, ...children) {
  element.replaceChildren();
  return append(element, children);
}

export function byId(id) {
  return document.getElementById(id);
}

// A button that says what it does.
export function button(text, onclick, properties = {}) {
  return h("button", { type: "button", class: "button", onclick, ...properties }, text);
}

// What a screen reader says, and a short note at the bottom for those who look.
let hiding = 0;
export function say(text, isShown = true) {
  byId("status").textContent = text;
  if (!isShown) return;
  const toast = byId("toast");
  toast.textContent = text;
  toast.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => { toast.hidden = true; }, 2500);
}

// An error where it happened, with a way to try again.
export function problem(error, retry) {
  return h("div", { class: "problem", role: "alert" },
    h("strong", {}, error.title || "This did not work"),
    h("p", {}, error.message),
    retry && button("Try again", retry));
}
