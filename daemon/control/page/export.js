// SPDX-License-Identifier: MIT
// The menu that saves what is listed.
import { apiUrl } from "./api.js";
import { byId, h, replace } from "./dom.js";

const formats = [
  ["har", "HAR", "for browsers' developer tools and others", "hark.har"],
  ["curl", "curl commands", "to be pasted into a shell", "hark.sh"],
  ["jsonl", "JSON lines", "one exchange a line, with bodies", "hark.jsonl"],
];

export function setUpExport(getFilter) {
  const menu = byId("export");
  const draw = () => {
    const filter = getFilter();
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
    replace(byId("export-box"),
      h("p", { class: "note" }, filter ? ["What matches ", h("code", {}, filter)] : "The whole recording"),
      links,
      h("label", {}, secrets, "With passwords, cookies and tokens"));
  };
  menu.addEventListener("toggle", () => menu.open && draw());
  document.addEventListener("click", (event) => {
    if (menu.open && !menu.contains(event.target)) menu.open = false;
  });
}
