// SPDX-License-Identifier: MIT
// The page: puts its parts together. What is shown follows from the address (location.js); the
// model has the rows, live.js brings new ones, list.js and detail.js draw.
import { setUpActions } from "./actions.js";
import { ask, askJson } from "./api.js";
import { hideBanner, showBanner } from "./banner.js";
import { copyText } from "./copy.js";
import { Detail } from "./detail.js";
import { setUpDivider } from "./divider.js";
import { button, byId, h, problem, replace, say } from "./dom.js";
import { FilterBar } from "./filter.js";
import { count } from "./format.js";
import { openHelp, setUpHelp } from "./help.js";
import { setUpImport } from "./import.js";
import { setUpKeys } from "./keys.js";
import { List } from "./list.js";
import { Live } from "./live.js";
import * as address from "./location.js";
import { Model } from "./model.js";
import { isMarked, setMark } from "./notes.js";
import { replayListed, replayOne } from "./replay.js";
import { Stats } from "./stats.js";
import { nextTheme, setUpTheme } from "./theme_button.js";

const OPEN_AFTER_MS = 120; // on moving through the list with the detail open

const model = new Model();
const list = new List(model);
const live = new Live();
const filterBar = new FilterBar();
const detail = new Detail();
const stats = new Stats(useFilter);
let state = address.read();
let proxy = "http://127.0.0.1:4275";
let openTimer = 0;

function remember(change, isStep) {
  state = { ...state, ...change };
  address.write(state, isStep);
}

// --- what went wrong -----------------------------------------------------------------------------

function retry() {
  live.retry();
}

function showLiveState(name) {
  document.body.dataset.live = name;
  const text = list.isPaused ? "Paused" : name === "on" ? "Live" : "Offline";
  byId("follow-text").textContent = text;
}

// --- the list ------------------------------------------------------------------------------------

async function loadList(text) {
  try {
    await model.load(text);
    filterBar.hideError();
    remember({ filter: text });
    list.toTop();
    live.start(text);
    if (stats.isOpen) stats.open(text);
    say(model.rows.length === 0 ? "Nothing matches" : "List loaded", false);
  } catch (error) {
    if (error.name === "AbortError") return;
    if (error.status === 400) showFilterError(error);
    else if (!model.isLoaded) showListProblem(error, text);
    else showBanner(error, retry);
  }
}

// The list stays as it was; there is none yet if the address came with the mistake.
function showFilterError(error) {
  filterBar.showError(error);
  if (model.isLoaded) return;
  byId("empty").hidden = false;
  replace(byId("empty"), h("h2", {}, "There is a mistake in the filter"),
    button("Show everything", () => filterBar.clear()));
}

function showListProblem(error, text) {
  if (error.status === 401 || error.status === 0) showBanner(error, retry);
  const empty = byId("empty");
  empty.hidden = false;
  replace(empty, problem(error, () => loadList(text)));
}

function more(load) {
  load.catch((error) => {
    if (error.name === "AbortError") return;
    const below = byId("below");
    below.hidden = false;
    replace(below, problem(error, () => {
      below.hidden = true;
      list.draw();
    }));
  });
}

function drawEmpty() {
  const empty = byId("empty");
  if (!model.isLoaded) return; // it may say why
  empty.hidden = model.rows.length > 0;
  if (empty.hidden || empty.dataset.filter === model.filter) return;
  empty.dataset.filter = model.filter;
  if (model.filter === "") {
    replace(empty, ...setUpHelp(proxy));
  } else {
    replace(empty, h("h2", {}, "Nothing matches"),
      h("p", {}, "No exchange matches ", h("code", {}, model.filter), "."),
      button("Show everything", () => filterBar.clear()));
  }
}

function drawPill() {
  const waiting = model.waitingCount;
  const pill = byId("pill");
  pill.hidden = waiting === 0;
  pill.textContent = `↑ ${count(waiting, "new exchange", "new exchanges")}`;
}

async function showNew() {
  if (model.admit()) list.toTop();
  else await loadList(model.filter);
  byId("grid").focus();
}

function pause(isPaused) {
  list.pause(isPaused);
  byId("follow").setAttribute("aria-pressed", !isPaused);
  showLiveState(document.body.dataset.live);
  say(isPaused ? "Paused: new exchanges wait" : "Live: new exchanges are shown as they come");
}

list.addEventListener("older", () => more(model.loadOlder()));
list.addEventListener("newer", () => more(model.loadNewer()));
list.addEventListener("draw", () => {
  drawEmpty();
  drawPill();
});
byId("pill").addEventListener("click", showNew);
byId("follow").addEventListener("click", () => pause(!list.isPaused));

// --- what is new ---------------------------------------------------------------------------------

live.addEventListener("open", () => {
  hideBanner();
  showLiveState("on");
  const loading = model.isLoaded ? model.refresh() : loadList(state.filter);
  loading.catch((error) => error.name !== "AbortError" && showBanner(error, retry));
});
live.addEventListener("rows", ({ detail: rows }) => {
  model.take(rows);
  if (rows.some((row) => row.id === detail.id && row.state !== "pending")) detail.reload();
});
live.addEventListener("lost", ({ detail: error }) => {
  showLiveState("off");
  showBanner(error, retry);
});

// --- one exchange --------------------------------------------------------------------------------

function showDetail(id, isStep) {
  clearTimeout(openTimer);
  remember({ id }, isStep);
  document.body.classList.toggle("has-detail", id !== null);
  byId("divider").hidden = id === null;
  if (id === null) detail.close();
  else detail.open(id);
  list.draw();
}

function closeDetail() {
  showDetail(null, true);
  byId("grid").focus();
}

async function withExchange(action) {
  const id = detail.id ?? list.cursor;
  if (id === null) return;
  try {
    await action(id);
  } catch (error) {
    say(error.message);
  }
}

function copyCurl() {
  return withExchange(async (id) => {
    const response = await ask("export", { format: "curl", filter: `id:${id}`, include_secrets: 1 });
    if (await copyText(await response.text())) say("Copied as curl");
  });
}

function mark(isWanted) {
  return withExchange(async (id) => {
    const isOpen = detail.exchange?.id === id;
    const was = isOpen ? isMarked(detail.exchange) : Boolean(model.find(id)?.is_marked);
    const wanted = isWanted ?? !was;
    await setMark(id, wanted);
    const row = model.find(id);
    if (row) model.take([{ ...row, is_marked: wanted ? 1 : 0 }]);
    detail.reload();
  });
}

function compare() {
  const id = detail.id ?? list.cursor;
  setCompare(id === null || id === state.compare ? null : id);
}

function setCompare(id) {
  remember({ compare: id });
  detail.setCompare(id);
  const note = byId("compare-note");
  note.hidden = id === null;
  if (id === null) return;
  replace(note, h("span", {}, `Comparing with #${id}: open another exchange`),
    button("Stop", () => setCompare(null), { class: "button small" }));
}

// --- sending again -------------------------------------------------------------------------------

const afterReplay = {
  open: (id) => showDetail(id, true),
  compare: (id, other) => {
    setCompare(other);
    showDetail(id, true);
  },
};

function replay() {
  return withExchange(async (id) => {
    const { method, url, kind } = detail.exchange?.id === id ? detail.exchange : model.find(id);
    if (kind !== "http") say("Tunnels and WebSockets cannot be sent again");
    else replayOne({ id, method, url }, afterReplay);
  });
}

list.addEventListener("open", ({ detail: { id } }) => {
  showDetail(id, true);
  byId("detail").focus({ preventScroll: true });
});
list.addEventListener("move", ({ detail: { id } }) => {
  if (detail.id === null) return;
  clearTimeout(openTimer);
  openTimer = setTimeout(() => showDetail(id, false), OPEN_AFTER_MS);
});
detail.addEventListener("close", closeDetail);
detail.addEventListener("curl", copyCurl);
detail.addEventListener("mark", ({ detail: isWanted }) => mark(isWanted));
detail.addEventListener("compare", compare);
detail.addEventListener("compareWith", ({ detail: id }) => setCompare(id));
detail.addEventListener("replay", replay);
detail.addEventListener("changed", () => detail.reload());
detail.addEventListener("tab", ({ detail: tab }) => remember({ tab }));
byId("detail").addEventListener("click", (event) => {
  const link = event.target.closest("[data-open]");
  if (!link || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  showDetail(Number(link.dataset.open), true);
});

// --- bar and keys --------------------------------------------------------------------------------

filterBar.addEventListener("filter", ({ detail: { text, isStep } }) => {
  if (text === model.filter && model.isLoaded) {
    filterBar.hideError();
    return;
  }
  if (isStep) remember({ filter: text }, true);
  loadList(text);
});

function useFilter(text) {
  showStats(false);
  filterBar.text = text;
  filterBar.apply(true);
}

function showStats(isWanted) {
  byId("show-stats").setAttribute("aria-pressed", isWanted);
  document.body.classList.toggle("has-stats", isWanted);
  if (isWanted === (state.view === "stats") && isWanted === stats.isOpen) return;
  remember({ view: isWanted ? "stats" : null }, true);
  if (isWanted) {
    stats.open(model.isLoaded ? model.filter : state.filter);
    byId("stats").focus({ preventScroll: true });
  } else {
    stats.close();
    list.draw();
  }
}

function escape() {
  if (document.activeElement === filterBar.input) byId("grid").focus();
  else if (byId("actions").open) byId("actions").open = false;
  else if (detail.id !== null) closeDetail();
  else if (stats.isOpen) showStats(false);
}

byId("help").addEventListener("click", () => openHelp(useFilter));
byId("show-stats").addEventListener("click", () => showStats(!stats.isOpen));
setUpActions(() => model.filter, { replay: () => replayListed(model.filter, afterReplay) });
setUpImport({ show: useFilter });
setUpDivider();
setUpKeys({
  "/": () => filterBar.focus(),
  "?": () => openHelp(useFilter),
  Escape: escape,
  Enter: () => list.open(),
  j: () => list.move(1),
  k: () => list.move(-1),
  ArrowDown: () => list.move(1),
  ArrowUp: () => list.move(-1),
  PageDown: () => list.move(list.pageStep),
  PageUp: () => list.move(-list.pageStep),
  g: () => list.move(-Infinity),
  Home: () => list.move(-Infinity),
  G: () => list.move(Infinity),
  End: () => list.move(Infinity),
  "[": () => detail.exchange && detail.stepTab(-1),
  "]": () => detail.exchange && detail.stepTab(1),
  p: () => pause(!list.isPaused),
  m: () => mark(),
  c: copyCurl,
  x: compare,
  r: replay,
  s: () => showStats(!stats.isOpen),
  t: nextTheme,
});

// --- start ---------------------------------------------------------------------------------------

function showState() {
  filterBar.text = state.filter;
  detail.wantedTab = state.tab;
  list.cursor = state.id;
  setCompare(state.compare);
  showDetail(state.id, false);
  showStats(state.view === "stats");
  if (state.filter !== model.filter || !model.isLoaded) loadList(state.filter);
}

window.addEventListener("popstate", () => {
  state = address.read();
  showState();
});
askJson("status").then((daemon) => {
  if (daemon.proxy?.[0]) [proxy] = daemon.proxy;
  delete byId("empty").dataset.filter;
  list.draw();
}, () => { /* loading the list says it */ });
setUpTheme();
showState();
