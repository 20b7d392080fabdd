// SPDX-License-Identifier: MIT
// The event stream: rows as they come, told once a frame, and the connection's state. After a break
// hark is asked what is the matter, and connected to again.
//
// A browser has six connections for all its tabs with this page, so only those in sight hold one.
import { apiUrl, askJson } from "./api.js";

const RETRY_MS = [500, 1000, 2000, 5000];

export class Live extends EventTarget {
  constructor() {
    super();
    this.source = null;
    this.rows = [];
    this.failures = 0;
    this.timer = 0;
    this.filter = null; // nothing was started yet
    document.addEventListener("visibilitychange", () => this.onVisibility(!document.hidden));
    window.addEventListener("pagehide", () => this.stop());
    window.addEventListener("pageshow", (event) => event.persisted && this.onVisibility(true));
  }

  start(filter) {
    this.stop();
    this.filter = filter;
    if (!document.hidden) this.connect();
  }

  onVisibility(isVisible) {
    if (!isVisible) this.stop();
    else if (this.filter !== null && !this.source) this.connect();
  }

  stop() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
    this.rows = [];
  }

  connect() {
    clearTimeout(this.timer);
    const source = new EventSource(apiUrl("events", { filter: this.filter, pending: 1 }));
    this.source = source;
    source.addEventListener("open", () => {
      this.failures = 0;
      this.tell("open");
    });
    source.addEventListener("exchange", (event) => this.collect(JSON.parse(event.data)));
    source.addEventListener("error", () => this.onError(source));
  }

  collect(row) {
    if (this.rows.length === 0) requestAnimationFrame(() => this.flush());
    this.rows.push(row);
  }

  flush() {
    const rows = this.rows;
    this.rows = [];
    if (rows.length > 0) this.tell("rows", rows);
  }

  async onError(source) {
    if (source !== this.source) return;
    source.close();
    const delay = RETRY_MS[Math.min(this.failures, RETRY_MS.length - 1)];
    this.failures += 1;
    const error = await askJson("status").then(() => null, (failure) => failure);
    if (source !== this.source) return;
    // One break that is over at once is nothing to speak of.
    if (error || this.failures > 1) this.tell("lost", error);
    this.timer = setTimeout(() => this.connect(), delay);
  }

  // At once, for somebody who does not want to wait.
  retry() {
    if (this.source?.readyState === EventSource.CLOSED) this.connect();
  }

  tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
