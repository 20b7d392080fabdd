// SPDX-License-Identifier: MIT
// What people say about an exchange: a mark, which keeps it from being pruned, and a note.
import { sendJson } from "./api.js";
import { button, h, problem, replace, say } from "./dom.js";
import { section } from "./pairs.js";

export function isMarked(exchange) {
  return (exchange.notes || []).some((note) => note.is_mark);
}

export function noteText(exchange) {
  return (exchange.notes || []).map((note) => note.text).filter(Boolean).join("\n");
}

export async function setMark(id, isWanted) {
  await sendJson("PUT", `exchanges/${id}/note`, { mark: isWanted });
  say(isWanted ? "Marked: it is kept from being pruned" : "Mark removed");
}

export function notesView({ exchange, changed }) {
  const area = h("textarea", { id: "note-text", rows: 3, class: "note-text",
    placeholder: "What is there to say about it?" });
  area.value = noteText(exchange);
  const place = h("div");
  const save = button("Save the note", async () => {
    save.disabled = true;
    replace(place);
    try {
      await sendJson("PUT", `exchanges/${exchange.id}/note`, { text: area.value.trim() || null });
      say("Note saved");
      changed();
    } catch (error) {
      replace(place, problem(error));
    }
    save.disabled = false;
  });
  return section("Note", h("div", { class: "note-form" },
    h("label", { class: "hidden", for: "note-text" }, "Note"), area, save, place));
}
