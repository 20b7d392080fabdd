// SPDX-License-Identifier: MIT
// What keeps the whole page from working, above everything else, with what can be done about it.
import { button, byId, h, replace } from "./dom.js";

export function showBanner(error, retry) {
  const banner = byId("banner");
  banner.hidden = false;
  if (error?.status === 401) {
    replace(banner, "This browser is no longer let in. Run ", h("code", {}, "hark ui"),
      " and open the address that it prints.");
  } else if (error?.status === 0) {
    replace(banner, "hark does not answer. What is shown stays; the page connects again when it does. ",
      button("Try now", retry, { class: "button small" }));
  } else {
    replace(banner, `What is new does not come: ${error?.message || "the connection broke off"} `,
      button("Try now", retry, { class: "button small" }));
  }
}

export function hideBanner() {
  byId("banner").hidden = true;
}
