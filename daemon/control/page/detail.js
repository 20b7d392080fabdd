// SPDX-License-Identifier: MIT
// The pane with one exchange: its head with what can be done, and its views behind tabs.
import { askJson } from "./api.js";
import { button, byId, h, problem, replace } from "./dom.js";
import { duration, failure, size, statusClass, statusText } from "./format.js";
import { diffView } from "./diff.js";
import { isMarked } from "./notes.js";
import { connectionView, overviewView, requestView, responseView } from "./overview.js";
import { rawView } from "./raw.js";
import { messagesView } from "./stream_view.js";
import { timingView } from "./timing.js";

const POLL_MS = 1000;

const tabs = {
  overview: ["Overview", overviewView],
  request: ["Request", requestView],
  response: ["Response", responseView],
  messages: ["Messages", messagesView],
  timing: ["Timing", timingView],
  connection: ["Connection", connectionView],
  raw: ["Raw", rawView],
  compare: ["Compare", diffView],
};

// Views that keep themselves up to date while the exchange goes on, or would lose what is typed.
const selfMoving = ["messages", "overview", "compare"];

export class Detail extends EventTarget {
  constructor() {
    super();
    this.box = byId("detail");
    this.id = null;
    this.exchange = null;
    this.compare = null; // the exchange to compare with
    this.wantedTab = null; // what somebody chose
    this.controller = null;
    this.timer = 0;
    this.box.addEventListener("keydown", (event) => this.onTabKey(event));
  }

  tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  // --- which exchange --------------------------------------------------------------------------

  async open(id) {
    if (this.id === id && this.exchange) return;
    this.stop();
    this.id = id;
    this.exchange = null;
    this.box.hidden = false;
    this.box.setAttribute("aria-busy", "true");
    await this.load(() => this.draw());
  }

  close() {
    this.stop();
    this.id = null;
    this.exchange = null;
    this.box.hidden = true;
    replace(this.box);
  }

  stop() {
    this.controller?.abort();
    clearTimeout(this.timer);
  }

  async load(whenLoaded) {
    const { id } = this;
    try {
      const exchange = await askJson(`exchanges/${id}`);
      if (this.id !== id) return;
      this.exchange = exchange;
      whenLoaded();
    } catch (error) {
      if (this.id === id) this.drawError(error);
    }
    this.box.removeAttribute("aria-busy");
    if (this.exchange?.state === "pending" && this.id === id)
      this.timer = setTimeout(() => this.load(() => this.drawChanges()), POLL_MS);
  }

  // After a mark, a note, or news of the exchange from the list.
  reload() {
    clearTimeout(this.timer);
    if (this.id !== null) this.load(() => this.drawHead());
  }

  // --- drawing ---------------------------------------------------------------------------------

  drawError(error) {
    const title = error.status === 404 ? "It is not there" : error.title;
    replace(this.box,
      h("div", { class: "detail-head" }, h("div", { class: "detail-line" },
        h("span", { class: "d-number" }, `#${this.id}`), this.closeButton())),
      h("div", { class: "panel" },
        problem({ title, message: error.message }, () => this.load(() => this.draw()))));
  }

  closeButton() {
    return button("✕", () => this.tell("close"),
      { class: "button icon close", "aria-label": "Close", title: "Close (Esc)" });
  }

  draw() {
    this.head = h("div", { class: "detail-head" });
    this.tabList = h("div", { class: "tabs", role: "tablist", "aria-label": "Views" });
    this.panel = h("div", { class: "panel", role: "tabpanel", id: "panel", tabindex: 0 });
    replace(this.box, this.head, this.tabList, this.panel);
    this.drawHead();
    this.showTab(this.firstTab());
  }

  drawChanges() {
    this.drawHead();
    const isStream = this.panel.querySelector(".timeline") !== null;
    if (!selfMoving.includes(this.tab) && !isStream) this.showTab(this.tab);
  }

  drawHead() {
    const { exchange } = this;
    const marked = isMarked(exchange);
    const isBase = this.compare === exchange.id;
    replace(this.head,
      h("div", { class: "detail-line" },
        h("h2", {}, h("span", { class: "d-method" }, exchange.method || ""), " ",
          h("span", { class: `d-status ${statusClass(exchange)}` },
            (!exchange.status && failure(exchange)) || statusText(exchange)),
          exchange.reason && h("span", { class: "d-reason" }, ` ${exchange.reason}`)),
        h("span", { class: "d-number" }, `#${exchange.id}`), this.closeButton()),
      h("p", { class: "d-url" }, exchange.url || ""),
      h("div", { class: "detail-line actions" },
        button(marked ? "★ Marked" : "☆ Mark", () => this.tell("mark", !marked),
          { "aria-pressed": marked, title: "Keep it from being pruned (m)" }),
        button("Send again", () => this.tell("replay"),
          { title: "Send the request again (r)", disabled: exchange.kind !== "http" }),
        button("Copy as curl", () => this.tell("curl"), { title: "Copy as a curl command (c)" }),
        button(isBase ? "Comparing with this" : "Compare", () => this.tell("compare"),
          { "aria-pressed": isBase, title: "Compare with another one (x)" }),
        exchange.replay_of && this.compare !== exchange.replay_of
          && button(`Compare with #${exchange.replay_of}`, () => this.tell("compareWith", exchange.replay_of),
            { title: "What this answer has otherwise than the one it repeats" }),
        h("span", { class: "d-sums" }, exchange.state === "pending" ? "goes on"
          : `${duration((exchange.duration_us ?? 0) / 1000)} · ${size(exchange.response_size ?? 0)}`)));
  }

  // --- tabs ------------------------------------------------------------------------------------

  tabNames() {
    const { exchange } = this;
    return Object.keys(tabs).filter((name) => {
      if (name === "messages") return exchange.kind === "websocket";
      if (name === "compare") return this.compare !== null && this.compare !== exchange.id;
      return true;
    });
  }

  firstTab() {
    const names = this.tabNames();
    if (names.includes("compare") && this.wantedTab !== "compare" && !this.hasCompared) {
      this.hasCompared = true;
      return "compare";
    }
    if (names.includes(this.wantedTab)) return this.wantedTab;
    if (this.exchange.kind === "websocket") return "messages";
    if (this.exchange.kind === "tunnel" || this.exchange.error) return "overview";
    return "response";
  }

  setCompare(id) {
    this.compare = id;
    this.hasCompared = false;
    if (!this.exchange) return;
    this.drawHead();
    this.showTab(this.firstTab());
  }

  chooseTab(name) {
    this.wantedTab = name;
    this.showTab(name);
    this.tell("tab", name);
  }

  showTab(name) {
    this.controller?.abort();
    this.controller = new AbortController();
    this.tab = name;
    replace(this.tabList, this.tabNames().map((one) => h("button", {
      type: "button", role: "tab", id: `tab-${one}`, "aria-selected": one === name,
      "aria-controls": "panel", tabindex: one === name ? 0 : -1,
      onclick: () => this.chooseTab(one),
    }, tabs[one][0])));
    byId(`tab-${name}`).scrollIntoView({ block: "nearest", inline: "nearest" });
    this.panel.setAttribute("aria-labelledby", `tab-${name}`);
    const context = {
      exchange: this.exchange,
      compare: this.compare,
      signal: this.controller.signal,
      changed: () => this.tell("changed"),
    };
    replace(this.panel, tabs[name][1](context));
    this.panel.scrollTop = 0;
  }

  onTabKey(event) {
    if (event.target.role !== "tab") return;
    const names = this.tabNames();
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    this.stepTab(step, names);
    byId(`tab-${this.tab}`).focus();
  }

  stepTab(step, names = this.tabNames()) {
    const at = names.indexOf(this.tab);
    this.chooseTab(names[(at + step + names.length) % names.length]);
  }
}
