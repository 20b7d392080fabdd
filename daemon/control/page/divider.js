// SPDX-License-Identifier: MIT
// The line between list and detail: dragged, or moved with the arrow keys. The browser remembers.
import { byId } from "./dom.js";

const MIN = 25;
const MAX = 75;

function remember(percent) {
  try {
    localStorage.setItem("hark-divider", percent);
  } catch {
    // Then it lasts as long as the page.
  }
}

function remembered() {
  try {
    return Number(localStorage.getItem("hark-divider")) || 46;
  } catch {
    return 46;
  }
}

export function setUpDivider() {
  const divider = byId("divider");
  const split = byId("split");
  let now = 0;
  const set = (percent) => {
    now = Math.min(MAX, Math.max(MIN, percent));
    split.style.setProperty("--list", `${now}%`);
    divider.setAttribute("aria-valuenow", Math.round(now));
    divider.setAttribute("aria-valuemin", MIN);
    divider.setAttribute("aria-valuemax", MAX);
  };
  set(remembered());
  divider.addEventListener("pointerdown", (event) => divider.setPointerCapture(event.pointerId));
  divider.addEventListener("pointermove", (event) => {
    if (!divider.hasPointerCapture(event.pointerId)) return;
    const box = split.getBoundingClientRect();
    set(((event.clientX - box.left) / box.width) * 100);
  });
  divider.addEventListener("pointerup", () => remember(now));
  divider.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -2, ArrowRight: 2 }[event.key];
    if (!step) return;
    event.preventDefault();
    set(now + step);
    remember(now);
  });
}
