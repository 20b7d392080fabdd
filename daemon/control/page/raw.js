// SPDX-License-Identifier: MIT
// Both messages as they were on the wire: heads as text, bodies as they were sent, still coded.
import { apiUrl, askBody } from "./api.js";
import { button, h, problem } from "./dom.js";
import { size } from "./format.js";
import { hexDump } from "./hex.js";
import { section } from "./pairs.js";

const PART_BYTES = 32 * 1024;

function fieldLines(fields) {
  return (fields || []).map(([name, value]) => `${name}: ${value}`);
}

function requestHead(exchange) {
  const target = exchange.kind === "tunnel"
    ? `${exchange.host}:${exchange.port}`
    : exchange.path + (exchange.query === null || exchange.query === undefined
      ? "" : `?${exchange.query}`);
  const line = `${exchange.method} ${target} ${exchange.request_version || ""}`;
  return [line, ...fieldLines(exchange.request_headers)].join("\n");
}

function responseHead(exchange) {
  if (exchange.status === null || exchange.status === undefined) return null;
  const line = `${exchange.response_version || "HTTP/1.1"} ${exchange.status} ${exchange.reason || ""}`;
  return [line, ...fieldLines(exchange.response_headers)].join("\n");
}

function asText(bytes) {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return text.includes("\0") ? null : text;
  } catch {
    return null;
  }
}

// A part may end inside a character, so only the first one decides.
function rawBody({ exchange, signal }, side) {
  const whole = exchange[`${side}_size`] ?? 0;
  if (whole === 0) return null;
  const box = h("div");
  const decoder = new TextDecoder();
  let offset = 0;
  let isText = null;
  const more = button("", load);
  async function load() {
    more.disabled = true;
    try {
      const { bytes } = await askBody(exchange.id, side,
        { offset, limit: PART_BYTES, isRaw: true, signal });
      const isCut = bytes.length === PART_BYTES;
      isText ??= asText(isCut ? bytes.subarray(0, bytes.lastIndexOf(10) + 1 || bytes.length) : bytes) !== null;
      box.append(h("pre", { class: `text ${isText ? "" : "hex"}` },
        isText ? decoder.decode(bytes, { stream: true }) : hexDump(bytes, offset)));
      offset += bytes.length;
      more.hidden = !isCut || offset >= whole;
      more.textContent = `Load more (${size(whole - offset)} left)`;
    } catch (error) {
      if (error.name !== "AbortError") box.append(problem(error));
    }
    more.disabled = false;
  }
  more.hidden = true;
  load();
  return h("div", {}, box, more);
}

function message(context, side, head) {
  if (head === null) return null;
  const { id } = context.exchange;
  const save = h("a", { class: "button small", download: `hark-${id}-${side}-raw`,
    href: apiUrl(`exchanges/${id}/${side}/body`, { raw: 1 }) }, "Save body");
  return section(side === "request" ? "Request" : "Response",
    h("div", {}, h("pre", { class: "text" }, head), rawBody(context, side)), { tools: save });
}

export function rawView(context) {
  return h("div", {}, message(context, "request", requestHead(context.exchange)),
    message(context, "response", responseHead(context.exchange)));
}
