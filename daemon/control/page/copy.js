// SPDX-License-Identifier: MIT
// To the clipboard. Browsers offer it to pages of this machine or over TLS only; elsewhere the old
// way has to do.
import { h, say } from "./dom.js";

function copySelected(text) {
  const area = h("textarea", { class: "hidden", "aria-hidden": "true", tabindex: -1 });
  const focused = document.activeElement;
  area.value = text;
  document.body.append(area);
  area.select();
  const isCopied = document.execCommand("copy");
  area.remove();
  focused?.focus();
  return isCopied;
}

export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    if (copySelected(text)) return true;
    say("The browser does not let the page copy");
    return false;
  }
}
