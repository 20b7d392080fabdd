// SPDX-License-Identifier: MIT
// Long tables a batch at a time: all rows at once would stop the page for seconds.
import { button } from "./dom.js";

const BATCH = 200;

// Puts the first of `total` rows into `body`; returns the button for those that are left.
// `rowsOf(from, to)` makes them.
export function inBatches(body, total, rowsOf) {
  let shown = 0;
  const more = button("", () => show());
  function show() {
    const until = Math.min(total, shown + BATCH);
    body.append(...rowsOf(shown, until));
    shown = until;
    more.hidden = shown === total;
    more.textContent = `Show more (${(total - shown).toLocaleString("en")} left)`;
  }
  show();
  return more;
}
