// SPDX-License-Identifier: MIT
// The timelines: an event stream's and a WebSocket's. While the exchange goes on they ask for what
// is new; `exchange` is asked for again, too, since it tells the times.
import { askBody, askJson } from "./api.js";
import { h, problem, replace } from "./dom.js";
import { StreamReader } from "./streams.js";
import { Timeline } from "./timeline.js";

const PART_BYTES = 1024 * 1024;
const POLL_MS = 500;
const MESSAGES = 500;

// Calls `step` until it says that there will be no more, or the signal says that nobody looks.
// A step is {isDone, isBehind}; while it is behind there is no pause.
async function poll(signal, place, step) {
  while (!signal.aborted) {
    try {
      const { isDone, isBehind } = await step();
      if (isDone) return;
      if (isBehind) continue;
      replace(place);
    } catch (error) {
      if (error.name === "AbortError") return;
      replace(place, problem(error));
      if (error.status !== 0) return;
    }
    await new Promise((resolve) => { setTimeout(resolve, POLL_MS); });
  }
}

function view(timeline, exchange) {
  const state = h("p", { class: "note live-note" });
  const place = h("div");
  const tell = (count, isDone, noun) => {
    const text = `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
    state.textContent = isDone ? text : `${text}, still going on`;
    state.classList.toggle("going", !isDone);
  };
  tell(0, exchange.state !== "pending", "item");
  return { element: h("div", {}, state, timeline.element, place), place, tell };
}

export function streamView({ exchange, type, signal }) {
  const timeline = new Timeline("Events");
  const { element, place, tell } = view(timeline, exchange);
  const reader = new StreamReader(type);
  const noun = reader.isEvents ? "event" : "line";
  let known = exchange;

  poll(signal, place, async () => {
    const part = await askBody(exchange.id, "response",
      { offset: reader.received, limit: PART_BYTES, signal });
    const isBehind = part.bytes.length === PART_BYTES;
    if (part.bytes.length > 0 || known.state === "pending")
      known = await askJson(`exchanges/${exchange.id}`, {}, { signal });
    // What came between the two answers is there when it is asked for again.
    const isDone = !isBehind && known.state !== "pending" && part.bytes.length === 0;
    timeline.add(reader.take(part.bytes, known, isDone));
    tell(timeline.items.length, isDone, noun);
    return { isDone, isBehind: isBehind || (known.state !== "pending" && !isDone) };
  });
  return element;
}

// --- WebSocket -----------------------------------------------------------------------------------

const opcodes = { 0: "more", 1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong" };

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
}

function messageItem(message) {
  const isSent = message.direction === "send";
  const opcode = opcodes[message.opcode] || `opcode ${message.opcode}`;
  const bytes = typeof message.base64 === "string" ? bytesOf(message.base64) : undefined;
  return {
    at_us: message.at_us,
    kind: `${isSent ? "t-sent" : "t-received"} ${message.opcode >= 8 ? "t-quiet" : ""}`,
    label: `${isSent ? "↑" : "↓"} ${opcode}`,
    text: message.text ?? "",
    bytes: bytes && bytes.length > 0 ? bytes : undefined,
    size: message.size,
    problem: message.problem,
  };
}

export function messagesView({ exchange, signal }) {
  const timeline = new Timeline("Messages; ↑ sent by the client, ↓ received");
  const { element, place, tell } = view(timeline, exchange);
  let after;
  let { state } = exchange;

  poll(signal, place, async () => {
    const wasPending = state === "pending";
    const page = await askJson(`exchanges/${exchange.id}/messages`, { after, limit: MESSAGES },
      { signal });
    timeline.add(page.messages.map(messageItem));
    if (page.messages.length > 0) after = page.messages[page.messages.length - 1].seq;
    if (wasPending) ({ state } = await askJson(`exchanges/${exchange.id}`, {}, { signal }));
    const isDone = page.next === null && !wasPending;
    tell(timeline.items.length, isDone, "message");
    return { isDone, isBehind: page.next !== null || (wasPending && state !== "pending") };
  });
  return element;
}
