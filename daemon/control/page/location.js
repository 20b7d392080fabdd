// SPDX-License-Identifier: MIT
// What the page shows is in its address, so that it can be reloaded, kept and gone back to:
// ?filter=…&view=stats&id=…&tab=…&compare=…

const names = ["filter", "view", "id", "tab", "compare"];

export function read() {
  const query = new URLSearchParams(location.search);
  const number = (name) => {
    const value = Number(query.get(name));
    return Number.isSafeInteger(value) && value > 0 ? value : null;
  };
  return {
    filter: query.get("filter") || "",
    view: query.get("view") === "stats" ? "stats" : null,
    id: number("id"),
    tab: query.get("tab"),
    compare: number("compare"),
  };
}

// A step that one goes back from is pushed; a detail of the same view replaces it.
export function write(state, isStep) {
  const query = new URLSearchParams();
  for (const name of names) {
    if (state[name]) query.set(name, state[name]);
  }
  const text = query.toString();
  const target = text ? `/?${text}` : "/";
  if (target === location.pathname + location.search) return;
  history[isStep ? "pushState" : "replaceState"](null, "", target);
}
