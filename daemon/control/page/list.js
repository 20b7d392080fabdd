// SPDX-License-Identifier: MIT
// The list: of all rows of the model only those in sight are elements, and those are used again.
// The focus stays on the grid; which row it is on is said by aria-activedescendant.
import { byId, h } from "./dom.js";
import { duration, failure, longTime, shortTime, size, statusClass, statusText } from "./format.js";

const SPARE_ROWS = 8; // above and below what is in sight
const LOAD_ROWS = 60; // how close to an end the next page is asked for

const columns = ["time", "method", "status", "url", "type", "size", "ms"];

function createRow() {
  const cells = columns.map((name) => h("span", { class: `c-${name}`, role: "gridcell" }));
  return { element: h("div", { class: "row", role: "row" }, cells), cells, row: null };
}

// Scheme and query are quieter than what tells exchanges apart.
function urlParts(row) {
  const match = /^(?:(https?|wss?):\/\/)?([^/?]*)([^?]*)(.*)$/s.exec(row.url || "");
  const isPlain = match[1] === "http" || match[1] === "ws";
  return [
    isPlain && h("span", { class: "u-dim" }, "http://"),
    h("span", { class: "u-host" }, match[2]),
    h("span", { class: "u-path" }, match[3]),
    match[4] && h("span", { class: "u-dim" }, match[4]),
  ];
}

function typeText(row) {
  if (row.kind === "websocket") return "websocket";
  if (row.kind === "tunnel") return "tunnel";
  return (row.type || "").replace(/^(application|text|image|audio|video)\/(x-)?/, "");
}

function fillRow(slot, row) {
  const [time, method, status, url, type, bytes, ms] = slot.cells;
  slot.row = row;
  time.textContent = shortTime(row.started_at);
  time.title = longTime(Date.parse(row.started_at) * 1000);
  method.textContent = row.method || "";
  status.replaceChildren(h("span", { class: statusClass(row) }, statusText(row)));
  status.title = failure(row) || "";
  url.replaceChildren(...[
    row.is_marked && h("span", { class: "mark", title: "Marked" }, "★"),
    row.source && row.source !== "proxy" && h("span", { class: "badge" }, row.source),
    ...urlParts(row),
    failure(row) && h("span", { class: "s-error u-error" }, failure(row)),
  ].filter(Boolean));
  url.title = row.url || "";
  type.textContent = typeText(row);
  bytes.textContent = row.state === "pending" && !row.response_size ? "" : size(row.response_size);
  ms.textContent = row.state === "pending" ? "…" : duration(row.ms);
  slot.element.classList.toggle("pending", row.state === "pending");
  slot.element.dataset.id = row.id;
  slot.element.id = `row-${row.id}`;
}

export class List extends EventTarget {
  constructor(model) {
    super();
    this.model = model;
    this.grid = byId("grid");
    this.box = byId("rows");
    this.slots = [];
    this.cursor = null; // id of the row that the keys are on
    this.isPaused = false;
    this.isDrawing = false;
    this.grid.addEventListener("scroll", () => this.onScroll(), { passive: true });
    this.box.addEventListener("click", (event) => this.onClick(event));
    new ResizeObserver(() => this.draw()).observe(this.grid);
    model.addEventListener("change", (event) => this.onChange(event.detail.added));
  }

  get rowHeight() {
    return this.height || this.measure();
  }

  measure() {
    this.height = parseFloat(getComputedStyle(this.box).getPropertyValue("--row-height")) || 32;
    return this.height;
  }

  get isAtTop() {
    return this.grid.scrollTop < this.rowHeight / 2 && !this.model.hasNewer;
  }

  // --- drawing ---------------------------------------------------------------------------------

  // Whoever looks at older rows goes on looking at the same ones.
  onChange(added) {
    if (added !== 0 && !(added > 0 && this.isAtTop)) {
      this.box.style.height = `${this.model.rows.length * this.rowHeight}px`;
      this.grid.scrollTop += added * this.rowHeight;
    }
    this.draw();
  }

  draw() {
    if (this.isDrawing) return;
    this.isDrawing = true;
    requestAnimationFrame(() => {
      this.isDrawing = false;
      this.measure();
      this.drawNow();
    });
  }

  drawNow() {
    const { rows } = this.model;
    const height = this.rowHeight;
    const first = Math.max(0, Math.floor(this.grid.scrollTop / height) - SPARE_ROWS);
    const seen = Math.ceil(this.grid.clientHeight / height) + 2 * SPARE_ROWS;
    const count = Math.max(0, Math.min(seen, rows.length - first));
    this.box.style.height = `${rows.length * height}px`;
    while (this.slots.length < count) {
      const slot = createRow();
      this.slots.push(slot);
      this.box.append(slot.element);
    }
    while (this.slots.length > count) this.slots.pop().element.remove();
    for (let i = 0; i < count; i += 1) this.drawSlot(first + i, count);
    this.grid.setAttribute("aria-rowcount", this.model.hasOlder ? -1 : rows.length + 1);
    const isCursorDrawn = this.slots.some((slot) => slot.row.id === this.cursor);
    if (isCursorDrawn) this.grid.setAttribute("aria-activedescendant", `row-${this.cursor}`);
    else this.grid.removeAttribute("aria-activedescendant");
    this.dispatchEvent(new Event("draw"));
    this.wantPages(first, first + count);
  }

  // A row keeps its element while it is in sight, so that most of a scroll changes nothing.
  drawSlot(index, count) {
    const slot = this.slots[index % count];
    const row = this.model.rows[index];
    if (slot.row !== row) fillRow(slot, row);
    slot.element.style.transform = `translateY(${index * this.rowHeight}px)`;
    slot.element.setAttribute("aria-rowindex", index + 2);
    slot.element.setAttribute("aria-selected", row.id === this.cursor);
  }

  wantPages(first, last) {
    if (this.model.hasOlder && last + LOAD_ROWS > this.model.rows.length)
      this.dispatchEvent(new Event("older"));
    else if (this.model.hasNewer && first < LOAD_ROWS) this.dispatchEvent(new Event("newer"));
  }

  // --- moving ----------------------------------------------------------------------------------

  onScroll() {
    this.updateFollowing();
    this.draw();
  }

  updateFollowing() {
    this.model.follows = !this.isPaused && this.isAtTop;
    if (this.model.follows && this.model.waitingCount > 0) this.model.admit();
  }

  pause(isPaused) {
    this.isPaused = isPaused;
    this.updateFollowing();
    this.draw();
  }

  toTop() {
    this.grid.scrollTop = 0;
    this.draw();
  }

  onClick(event) {
    const element = event.target.closest(".row");
    if (!element) return;
    this.setCursor(Number(element.dataset.id));
    this.open();
  }

  setCursor(id) {
    this.cursor = id;
    this.draw();
  }

  open() {
    if (this.cursor !== null)
      this.dispatchEvent(new CustomEvent("open", { detail: { id: this.cursor } }));
  }

  // Moves the cursor by rows; from nowhere to the first row in sight.
  move(step) {
    const { rows } = this.model;
    if (rows.length === 0) return;
    const at = this.cursor === null ? -1 : this.model.indexOf(this.cursor);
    const isKnown = at >= 0 && rows[at]?.id === this.cursor;
    const top = Math.ceil(this.grid.scrollTop / this.rowHeight);
    const index = Math.max(0, Math.min(rows.length - 1, isKnown ? at + step : top));
    this.setCursor(rows[index].id);
    this.reveal(index);
    this.dispatchEvent(new CustomEvent("move", { detail: { id: this.cursor } }));
  }

  reveal(index) {
    const height = this.rowHeight;
    const head = this.box.offsetTop;
    const top = index * height;
    const room = this.grid.clientHeight - head;
    if (top < this.grid.scrollTop) this.grid.scrollTop = top;
    else if (top + height > this.grid.scrollTop + room)
      this.grid.scrollTop = top + height - room;
  }

  get pageStep() {
    return Math.max(1, Math.floor(this.grid.clientHeight / this.rowHeight) - 2);
  }
}
