// SPDX-License-Identifier: MIT
// The rows that the page knows, newest first: a window of the recording that grows at either end
// as somebody scrolls, and lets go of the far end, so that a million rows cost what a few thousand
// do. New rows join at once while the list follows, and wait while it does not.
import { askJson } from "./api.js";

const FIRST_ROWS = 200;
const MORE_ROWS = 500;
const WINDOW_ROWS = 6000;
const WAITING_ROWS = 1000;

export class Model extends EventTarget {
  constructor() {
    super();
    this.follows = true;
    this.filter = "";
    this.clear();
  }

  clear() {
    this.rows = [];
    this.waiting = new Map(); // id → row, newer than the window
    this.waitingMore = 0; // those that were not kept
    this.newestWaiting = 0;
    this.hasOlder = false;
    this.hasNewer = false;
    this.isLoaded = false;
    this.loading?.abort();
    this.loading = null;
  }

  get waitingCount() {
    return this.waiting.size + this.waitingMore;
  }

  // `added`: rows put before the first one, so that whoever looks further down can stay there.
  changed(added = 0) {
    this.dispatchEvent(new CustomEvent("change", { detail: { added } }));
  }

  // Where a row with this id is, or would be put.
  indexOf(id) {
    let low = 0;
    let high = this.rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.rows[middle].id > id) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  find(id) {
    const row = this.rows[this.indexOf(id)];
    return row && row.id === id ? row : this.waiting.get(id) || null;
  }

  // --- pages -----------------------------------------------------------------------------------

  async ask(parameters) {
    const controller = new AbortController();
    this.loading?.abort();
    this.loading = controller;
    try {
      return await askJson("exchanges", { filter: this.filter, limit: FIRST_ROWS, ...parameters },
        { signal: controller.signal });
    } finally {
      if (this.loading === controller) this.loading = null;
    }
  }

  // The newest rows that match; those there were stay until the answer is here.
  async load(filter) {
    const wanted = filter;
    const before = this.filter;
    this.filter = filter;
    let page;
    try {
      page = await this.ask({});
    } catch (error) {
      if (this.filter === wanted) this.filter = before;
      throw error;
    }
    this.clear();
    this.isLoaded = true;
    this.rows = page.exchanges;
    this.hasOlder = page.next !== null;
    this.changed();
  }

  async loadOlder() {
    if (this.loading || !this.hasOlder || this.rows.length === 0) return;
    const page = await this.ask({ before: this.rows[this.rows.length - 1].id, limit: MORE_ROWS });
    this.rows.push(...page.exchanges);
    this.hasOlder = page.next !== null;
    const surplus = this.rows.length - WINDOW_ROWS;
    if (surplus > 0) {
      this.rows.splice(0, surplus);
      this.hasNewer = true;
      // They can be had again as what follows the first row that is left.
      this.waiting.clear();
      this.waitingMore = 0;
    }
    this.changed(surplus > 0 ? -surplus : 0);
  }

  async loadNewer() {
    if (this.loading || !this.hasNewer || this.rows.length === 0) return;
    const page = await this.ask({ after: this.rows[0].id, oldest: 1, limit: MORE_ROWS });
    this.rows.unshift(...page.exchanges);
    this.hasNewer = page.next !== null;
    if (this.rows.length > WINDOW_ROWS) {
      this.rows.length = WINDOW_ROWS;
      this.hasOlder = true;
    }
    this.changed(page.exchanges.length);
  }

  // --- what comes by itself --------------------------------------------------------------------

  // One round of rows from the event stream or from a page that was read again.
  take(rows) {
    let added = 0;
    for (const row of rows) added += this.takeOne(row);
    if (this.rows.length > WINDOW_ROWS) {
      this.rows.length = WINDOW_ROWS;
      this.hasOlder = true;
    }
    this.changed(added);
  }

  takeOne(row) {
    const index = this.indexOf(row.id);
    if (this.rows[index]?.id === row.id) {
      this.rows[index] = row;
      return 0;
    }
    if (index === this.rows.length && this.hasOlder) return 0; // comes with its page
    if (index === 0 && (!this.follows || this.hasNewer)) {
      this.wait(row);
      return 0;
    }
    this.rows.splice(index, 0, row);
    return index === 0 ? 1 : 0;
  }

  wait(row) {
    const isKnown = this.waiting.has(row.id) || row.id <= this.newestWaiting;
    this.newestWaiting = Math.max(this.newestWaiting, row.id);
    if (this.waiting.has(row.id)) this.waiting.set(row.id, row);
    else if (!this.hasNewer && this.waiting.size < WAITING_ROWS) this.waiting.set(row.id, row);
    else if (!isKnown) this.waitingMore += 1;
  }

  // The rows that wait join. False if there were too many to keep: then it is to be loaded again.
  admit() {
    if (this.waitingMore > 0 || this.hasNewer) return false;
    const rows = [...this.waiting.values()];
    this.waiting.clear();
    const follows = this.follows;
    this.follows = true;
    this.take(rows);
    this.follows = follows;
    return true;
  }

  // Catches up with what came while no events did.
  async refresh() {
    const page = await this.ask({});
    const oldest = page.exchanges[page.exchanges.length - 1];
    const isConnected = page.next === null || !oldest || oldest.id <= (this.rows[0]?.id ?? 0);
    if (!isConnected && this.follows && !this.hasNewer) {
      this.rows = page.exchanges;
      this.hasOlder = page.next !== null;
      this.changed();
    } else {
      this.take(page.exchanges.reverse());
    }
  }
}
