// SPDX-License-Identifier: MIT
// The filter bar: applies what is typed after a pause or on Enter, and shows where it is wrong.
import { append, byId, button, h, replace } from "./dom.js";

const TYPING_MS = 350;
const REST_OF_WORD = /^(?:"(?:[^"\\]|\\.)*"|[^\s()"])*/;

export class FilterBar extends EventTarget {
  constructor() {
    super();
    this.form = byId("filter-form");
    this.input = byId("filter");
    this.error = byId("filter-error");
    this.timer = 0;
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.apply(true);
    });
    this.input.addEventListener("input", () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.apply(false), TYPING_MS);
    });
  }

  get text() {
    return this.input.value.trim();
  }

  set text(value) {
    this.input.value = value;
  }

  focus() {
    this.input.focus();
    this.input.select();
  }

  // `isStep`: somebody is done typing.
  apply(isStep) {
    clearTimeout(this.timer);
    this.dispatchEvent(new CustomEvent("filter", { detail: { text: this.text, isStep } }));
  }

  clear() {
    this.text = "";
    this.apply(true);
  }

  hideError() {
    this.error.hidden = true;
    this.error.replaceChildren();
    this.input.removeAttribute("aria-invalid");
  }

  // The filter again with the mistake marked, then what is wrong with it.
  showError(error) {
    this.error.hidden = false;
    this.input.setAttribute("aria-invalid", "true");
    replace(this.error);
    if (error.column) append(this.error, this.markedText(error.column));
    append(this.error, h("span", {}, error.message));
    if (error.suggestion)
      append(this.error, button(`Use “${error.suggestion}”`, () => this.use(error)));
  }

  // Columns count characters from 1.
  markedParts(column) {
    const characters = [...this.text];
    const from = Math.min(column - 1, characters.length);
    let to = from;
    while (to < characters.length && !/[\s():]/.test(characters[to])) to += 1;
    if (to === from) to = from + 1;
    return [characters.slice(0, from), characters.slice(from, to), characters.slice(to)]
      .map((part) => part.join(""));
  }

  markedText(column) {
    const [before, wrong, after] = this.markedParts(column);
    return h("code", { "aria-label": `Column ${column}` }, before,
      h("mark", {}, wrong || "\u00a0"), after);
  }

  use(error) {
    const [before, , after] = this.markedParts(error.column);
    // "host:" has the colon that follows the mistake, "is:error" the value behind it, too.
    const isKey = error.suggestion.endsWith(":");
    const taken = isKey ? /^:/ : error.suggestion.includes(":") ? REST_OF_WORD : /^/;
    this.text = before + error.suggestion + after.replace(taken, "");
    this.input.focus();
    this.apply(true);
  }
}
