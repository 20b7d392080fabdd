// SPDX-License-Identifier: MIT
// Light, dark, or as the system has it. Not a module: it runs before the first paint.
"use strict";

const hark_theme = {
  names: ["auto", "light", "dark"],

  get() {
    try {
      return localStorage.getItem("hark-theme") || "auto";
    } catch {
      return "auto"; // storage is off
    }
  },

  set(name) {
    document.documentElement.dataset.theme = name;
    try {
      localStorage.setItem("hark-theme", name);
    } catch {
      // Then it lasts as long as the page.
    }
  },

  next() {
    const names = this.names;
    const now = document.documentElement.dataset.theme;
    this.set(names[(names.indexOf(now) + 1) % names.length]);
  },
};

document.documentElement.dataset.theme = hark_theme.get();
window.harkTheme = hark_theme;
