// SPDX-License-Identifier: MIT
// A box over the page with a title and a way out. Esc closes it, too, and the focus goes back to
// where it was.
import { button, h, replace } from "./dom.js";

export function openDialog(dialog, title, ...content) {
  const id = `${dialog.id}-title`;
  dialog.setAttribute("aria-labelledby", id);
  replace(dialog,
    h("div", { class: "dialog-head" }, h("h2", { id }, title),
      button("✕", () => dialog.close(), { class: "button icon", "aria-label": "Close" })),
    ...content);
  if (!dialog.open) dialog.showModal();
}
