// SPDX-License-Identifier: MIT
// The keyboard: single keys do things unless somebody types.

function isTyping(target) {
  return target.closest("input, textarea, select, [contenteditable]") !== null;
}

// Keys that mean something to what has the focus.
function isTaken(event) {
  const isButton = event.target.closest("button, a, summary, [role=tab]") !== null;
  if (isButton && (event.key === "Enter" || event.key === " ")) return true;
  const scrolls = ["ArrowDown", "ArrowUp", "PageDown", "PageUp", "Home", "End"];
  return scrolls.includes(event.key) && event.target.closest("#detail, #actions, #stats") !== null;
}

// `actions`: from a key's name to what it does.
export function setUpKeys(actions) {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector("dialog[open]")) return;
    if (isTyping(event.target)) {
      if (event.key !== "Escape") return;
    } else if (isTaken(event)) {
      return;
    }
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action(event);
  });
}
