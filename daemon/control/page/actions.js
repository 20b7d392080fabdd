// SPDX-License-Identifier: MIT
// The menu with what can be done with all that is listed, and with files.
import { apiUrl } from "./api.js";
import { byId, h, replace } from "./dom.js";
import { chooseFiles } from "./import.js";

const formats = [
  ["har", "Export as HAR", "for browsers' developer tools and others", "hark.har"],
  ["curl", "Export as curl commands", "to be pasted into a shell", "hark.sh"],
  ["jsonl", "Export as JSON lines", "one exchange a line, with bodies", "hark.jsonl"],
];

function exportParts(menu, filter) {
  const secrets = h("input", { type: "checkbox", id: "export-secrets" });
  const links = formats.map(([format, name, text, file]) => {
    const link = h("a", { download: file }, h("strong", {}, name), h("span", {}, text));
    const aim = () => {
      link.href = apiUrl("export", { format, filter, include_secrets: secrets.checked ? 1 : "" });
    };
    aim();
    secrets.addEventListener("change", aim);
    link.addEventListener("click", () => { menu.open = false; });
    return link;
  });
  return [links, h("label", {}, secrets, "With passwords, cookies and tokens")];
}

// `actions`: replay().
export function setUpActions(getFilter, actions) {
  const menu = byId("actions");
  const entry = (id, name, text, action) => h("button", { type: "button", id, onclick: () => {
    menu.open = false;
    action();
  } }, h("strong", {}, name), h("span", {}, text));
  const draw = () => {
    const filter = getFilter();
    replace(byId("actions-box"),
      h("p", { class: "note" }, filter ? ["What matches ", h("code", {}, filter)] : "The whole recording"),
      exportParts(menu, filter), h("hr"),
      entry("replay-listed", "Send again…", "the requests that are listed", actions.replay), h("hr"),
      entry("import", "Import files…", "HAR or JSON lines; or drop them on the page", chooseFiles));
  };
  menu.addEventListener("toggle", () => menu.open && draw());
  document.addEventListener("click", (event) => {
    if (menu.open && !menu.contains(event.target)) menu.open = false;
  });
}
