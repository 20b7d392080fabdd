// SPDX-License-Identifier: MIT
// Sending requests again: the open one, or all that are listed. Results are told as they come; each
// is an exchange of its own, which can be opened and compared with the one it repeats.
import { ask, askJson } from "./api.js";
import { button, byId, h, problem, replace } from "./dom.js";
import { openDialog } from "./dialog.js";
import { count, duration, statusClass, statusText } from "./format.js";

const SHOWN_RESULTS = 200;
const AT_ONCE = 4; // for what is listed; one request after the other may take long

const safeMethods = ["GET", "HEAD", "OPTIONS"];

// --- what comes back -----------------------------------------------------------------------------

// A line of JSON for each result.
async function readLines(response, take) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    lines.filter(Boolean).forEach((line) => take(JSON.parse(line)));
  }
}

function resultLine(result, dialog, actions) {
  const go = (action) => () => {
    dialog.close();
    action(result.id, result.replay_of);
  };
  return h("tr", {},
    h("td", {}, result.id === null ? "" : button(`#${result.id}`, go(actions.open), { class: "st-link" })),
    h("td", { class: "note" }, `again #${result.replay_of}`),
    h("td", {}, h("span", { class: statusClass(result) }, statusText(result))),
    h("td", { class: "number" }, duration(result.ms)),
    h("td", { class: "rp-what" }, result.error_text || `${result.method} ${result.url}`),
    h("td", {}, result.id === null ? "" : button("Compare", go(actions.compare), { class: "button small" })));
}

// Grows with the results, and says how many there were of which kind.
class Results {
  constructor(dialog, actions) {
    this.dialog = dialog;
    this.actions = actions;
    this.body = h("tbody");
    this.state = h("p", { class: "note", role: "status" });
    this.element = h("div", { hidden: true }, this.state,
      h("table", { class: "results", "aria-label": "Results" }, this.body));
    this.clear();
  }

  clear() {
    this.told = 0;
    this.failed = 0;
    this.redacted = 0;
    replace(this.body);
  }

  take(result) {
    this.told += 1;
    if (result.error) this.failed += 1;
    if (result.error === "redacted") this.redacted += 1;
    if (this.told <= SHOWN_RESULTS) this.body.append(resultLine(result, this.dialog, this.actions));
    this.tell("so far");
  }

  tell(when) {
    this.element.hidden = false;
    const failed = this.failed ? `, ${this.failed.toLocaleString("en")} without an answer` : "";
    const left = this.told - SHOWN_RESULTS;
    const more = left > 0 ? `; the last ${left.toLocaleString("en")} are in the list only` : "";
    this.state.textContent = `${count(this.told, "request", "requests")} ${when}${failed}${more}`;
  }
}

// --- the dialog ----------------------------------------------------------------------------------

class ReplayDialog {
  constructor({ title, subject, warning, body, isAgreed, actions }) {
    this.dialog = byId("dialog");
    this.request = body;
    this.isAgreed = isAgreed;
    this.results = new Results(this.dialog, actions);
    this.place = h("div");
    this.to = h("input", { id: "replay-to", type: "text", class: "field", autocomplete: "off",
      spellcheck: "false", placeholder: "http://127.0.0.1:8080" });
    this.sendButton = h("button", { type: "submit", class: "button primary" }, "Send");
    this.stopButton = button("Stop", () => this.stop(), { hidden: true });
    const form = h("form", {}, warning && h("p", { class: "problem-line" }, warning),
      h("label", { class: "field-label", for: "replay-to" }, `To another origin (if empty, where ${body.ids ? "it" : "they"} went before)`),
      this.to, h("div", { class: "dialog-actions" }, this.sendButton, this.stopButton));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!this.isGoing) this.send(this.isAgreed);
    });
    openDialog(this.dialog, title, subject, form, this.place, this.results.element);
    this.dialog.addEventListener("close", () => this.stop(), { once: true });
    this.sendButton.focus();
  }

  async send(isAgreed, sendsMarks = false) {
    this.setGoing(true);
    this.isUnwanted = false;
    replace(this.place);
    this.results.clear();
    try {
      const response = await ask("replay", {}, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ ...this.request, ...(this.to.value.trim() && { to: this.to.value.trim() }),
          ...(isAgreed && { yes: true }), ...(sendsMarks && { send_redacted: true }), command: "hark replay (page)" }),
      });
      this.session = response.headers.get("Hark-Session");
      if (this.isUnwanted) this.stop();
      await readLines(response, (result) => this.results.take(result));
      this.results.tell("sent again");
      if (this.results.redacted > 0) this.offerMarks(isAgreed);
    } catch (error) {
      this.showProblem(error, isAgreed);
    }
    this.session = null;
    this.setGoing(false);
  }

  // What may change something at the server wants to be agreed to first.
  showProblem(error, isAgreed) {
    const asksFirst = error.title === "this may change something" && !isAgreed;
    if (!asksFirst) {
      replace(this.place, problem(error));
      return;
    }
    const text = error.message.replace(/;[^;]*$/, ".");
    replace(this.place, h("div", { class: "problem", role: "alert" },
      h("strong", {}, "This may change something"), h("p", {}, text),
      button("Send all the same", () => this.send(true))));
    this.place.querySelector("button").focus();
  }

  // What was redacted is not known. Whoever wants to can send the marks that stand for it.
  offerMarks(isAgreed) {
    const what = count(this.results.redacted, "request was", "requests were");
    replace(this.place, h("div", { class: "problem", role: "alert" },
      h("strong", {}, `${what} not sent`), h("p", {}, "Marks stand in the recording where values were redacted."),
      button("Send all with the marks", () => this.send(isAgreed, true))));
  }

  setGoing(isGoing) {
    // What is about to go away hands the focus on.
    const leaving = isGoing ? this.place : this.stopButton;
    if (leaving.contains(document.activeElement)) this.sendButton.focus();
    this.isGoing = isGoing;
    this.sendButton.setAttribute("aria-disabled", isGoing); // `disabled` would lose the focus
    this.stopButton.hidden = !isGoing;
    if (this.results.told > 0) this.sendButton.textContent = "Send once more";
  }

  // What is under way still ends, and is told. Until the daemon has named it, it cannot be stopped.
  stop() {
    this.isUnwanted = true;
    if (this.session) ask(`replay/${this.session}`, {}, { method: "DELETE" }).catch(() => {});
    this.session = null;
  }
}

// `actions`: open(id), compare(id, with).
export function replayOne({ id, method, url }, actions) {
  const isSafe = safeMethods.includes(method);
  return new ReplayDialog({
    title: `Send #${id} again`,
    subject: h("p", { class: "d-url" }, `${method} ${url}`),
    warning: isSafe ? null : `A ${method} may change something at the server a second time.`,
    body: { ids: [id] },
    isAgreed: true, // nobody gets here but by naming the very request
    actions,
  });
}

export function replayListed(filter, actions) {
  const amount = h("strong", {}, "The requests");
  askJson("stats", { filter }).then(({ stats }) => {
    const sum = stats.reduce((total, row) => total + row.count, 0);
    amount.textContent = count(sum, "request", "requests");
  }, () => { /* sending will say it */ });
  return new ReplayDialog({
    title: "Send what is listed again",
    subject: h("p", {}, amount, filter ? [" that match ", h("code", {}, filter)] : " of the whole recording"),
    body: { filter: filter || "id:1..", concurrency: AT_ONCE },
    isAgreed: false,
    actions,
  });
}
