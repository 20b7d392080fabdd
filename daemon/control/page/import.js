// SPDX-License-Identifier: MIT
// Adding the exchanges of files to the recording: chosen, or dropped anywhere on the page. One file
// after the other is sent as it is; hark says what is wrong with one.
import { askJson } from "./api.js";
import { append, button, byId, h, problem, replace } from "./dom.js";
import { openDialog } from "./dialog.js";
import { count, size } from "./format.js";

// How the message ends where it helps to leave entries out.
const CAN_SKIP = "such entries can be left out";

// What was added, and what was not.
function resultParts(result, actions, dialog) {
  const left = [
    result.invalid && `${count(result.invalid, "entry was", "entries were")} left out as invalid`,
    result.foreign && `${count(result.foreign, "entry was", "entries were")} left out, being no HTTP`,
  ].filter(Boolean);
  const show = result.session_id === null ? null : button("Show them", () => {
    dialog.close();
    actions.show(`session:${result.session_id}`);
  }, { class: "button small" });
  return [
    h("p", {}, h("strong", {}, `${count(result.added, "exchange", "exchanges")} added`),
      left.length > 0 ? `; ${left.join("; ")}` : "", " ", result.added > 0 ? show : null),
    result.problems.map((text) => h("p", { class: "problem-line" }, text)),
  ];
}

// One file, with a way to take it without its invalid entries.
async function send(file, place, signal, actions, skipsInvalid) {
  replace(place, h("p", { class: "note" }, `Reading ${size(file.size)}…`));
  try {
    const parameters = { name: file.name, skip_invalid: skipsInvalid ? 1 : "" };
    const result = await askJson("import", parameters, { method: "POST", body: file, signal });
    replace(place, resultParts(result, actions, byId("dialog")));
  } catch (error) {
    if (error.name === "AbortError") return;
    replace(place, problem(error));
    if (error.message.endsWith(CAN_SKIP) && !skipsInvalid) append(place.firstChild,
      button("Leave out what is invalid", () => send(file, place, signal, actions, true)));
  }
}

async function importFiles(files, actions) {
  const dialog = byId("dialog");
  const controller = new AbortController();
  const places = files.map(() => h("div", { role: "status" }, h("p", { class: "note" }, "Waits")));
  openDialog(dialog, "Import", files.map((file, i) =>
    h("section", { class: "import-file" }, h("h3", {}, file.name), places[i])));
  dialog.addEventListener("close", () => controller.abort(), { once: true });
  for (let i = 0; i < files.length && !controller.signal.aborted; i += 1)
    await send(files[i], places[i], controller.signal, actions, false);
}

function hasFiles(event) {
  return [...(event.dataTransfer?.types || [])].includes("Files");
}

// `actions`: show(filter).
export function setUpImport(actions) {
  const input = byId("import-file");
  const hint = byId("drop-hint");
  input.addEventListener("change", () => {
    const files = [...input.files];
    input.value = ""; // so that the same file can be chosen again
    if (files.length > 0) importFiles(files, actions);
  });
  document.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    hint.hidden = false;
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) hint.hidden = true;
  });
  document.addEventListener("drop", (event) => {
    hint.hidden = true;
    if (!hasFiles(event)) return;
    event.preventDefault();
    importFiles([...event.dataTransfer.files], actions);
  });
}

export function chooseFiles() {
  byId("import-file").click();
}
