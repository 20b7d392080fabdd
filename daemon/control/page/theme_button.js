// SPDX-License-Identifier: MIT
// The button that goes through the colours; theme.js keeps which they are.
import { byId } from "./dom.js";

const signs = { auto: "◐", light: "☀", dark: "☾" };

function draw() {
  const name = document.documentElement.dataset.theme;
  const button = byId("theme");
  button.textContent = signs[name];
  button.setAttribute("aria-label", `Colours: ${name}`);
  button.title = `Colours: ${name} (t)`;
}

export function nextTheme() {
  window.harkTheme.next();
  draw();
}

export function setUpTheme() {
  byId("theme").addEventListener("click", nextTheme);
  draw();
}
