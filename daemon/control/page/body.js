// SPDX-License-Identifier: MIT
// One body, decoded: laid out, as text, or as a hex dump; long ones part by part.
import { apiUrl, askBody } from "./api.js";
import { append, button, h, problem, replace } from "./dom.js";
import { exactSize, size } from "./format.js";
import { hexDump } from "./hex.js";
import { isJson, jsonTree } from "./json_text.js";
import { formPairs, pairTable } from "./pairs.js";
import { isStream } from "./streams.js";
import { streamView } from "./stream_view.js";

const PART_BYTES = 128 * 1024;
const HEX_PART_BYTES = 16 * 1024;
const LAID_OUT_BYTES = 4 * 1024 * 1024;
const FORM_BYTES = 256 * 1024; // a longer one is hardly a form
const IMAGE_BYTES = 32 * 1024 * 1024;

const imageTypes = ["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif",
  "image/x-icon"];

const isImage = (type) => imageTypes.includes(type);
const isJsonType = (type) => /[/+]json$/.test(type || "");
const isForm = ({ type, whole }) =>
  type === "application/x-www-form-urlencoded" && whole <= FORM_BYTES;

// --- the ways to look at it ----------------------------------------------------------------------

// Parts as they are asked for: `show` makes an element of the bytes of one.
function partsView(context, limit, show) {
  const { exchange, side, signal, whole } = context;
  const box = h("div", { class: "parts" });
  const more = button("", () => load());
  more.hidden = true;
  let offset = 0;

  async function load() {
    more.disabled = true;
    try {
      const part = await askBody(exchange.id, side, { offset, limit, signal });
      box.append(show(part.bytes, offset, part.type));
      offset += part.bytes.length;
      more.hidden = part.bytes.length < limit || offset >= whole;
      more.textContent = `Load ${size(Math.min(limit, whole - offset))} more of ${size(whole - offset)}`;
    } catch (error) {
      if (error.name !== "AbortError") box.append(problem(error));
    }
    more.disabled = false;
  }

  load();
  return h("div", {}, box, more);
}

function textView(context) {
  const decoder = new TextDecoder();
  return partsView(context, PART_BYTES, (bytes, offset, type) => {
    const isText = type.startsWith("text/");
    if (!isText) return h("pre", { class: "text hex" }, hexDump(bytes, offset));
    return h("pre", { class: "text" }, decoder.decode(bytes, { stream: true }));
  });
}

function hexView(context) {
  return partsView(context, HEX_PART_BYTES, (bytes, offset) =>
    h("pre", { class: "text hex" }, hexDump(bytes, offset)));
}

async function askWhole({ exchange, side, signal }, limit) {
  return askBody(exchange.id, side, { limit, signal });
}

async function imageView(context) {
  const part = await askWhole(context, IMAGE_BYTES);
  if (!isImage(part.type)) return textView(context);
  const url = URL.createObjectURL(new Blob([part.bytes], { type: part.type }));
  const caption = h("figcaption", {}, `${part.type}, ${size(part.bytes.length)}`);
  const image = h("img", { src: url, alt: `The ${context.side}'s body` });
  image.addEventListener("load", () => {
    caption.append(`, ${image.naturalWidth} × ${image.naturalHeight}`);
  });
  image.addEventListener("error", () => {
    replace(caption, "The browser cannot show this image; see the hex dump.");
  });
  context.signal.addEventListener("abort", () => URL.revokeObjectURL(url));
  return h("figure", { class: "image" }, image, caption);
}

async function laidOutText(context, layOut) {
  const part = await askWhole(context, LAID_OUT_BYTES);
  if (!part.type.startsWith("text/")) return textView(context);
  return layOut(new TextDecoder().decode(part.bytes)) || textView(context);
}

function prettyView(context) {
  const { type, whole } = context;
  if (isImage(type) && whole <= IMAGE_BYTES) return imageView(context);
  if (context.side === "response" && isStream(type)) return streamView(context);
  if (whole > LAID_OUT_BYTES) return textView(context);
  if (isForm(context)) return laidOutText(context, (text) => pairTable("Form", formPairs(text)));
  return laidOutText(context, (text) => (isJson(text) ? jsonTree(text) : null));
}

// --- the body ------------------------------------------------------------------------------------

function hasLayout(context) {
  const { type, whole, side } = context;
  if (isImage(type) || isForm(context)) return true;
  if (side === "response" && isStream(type)) return true;
  return isJsonType(type) && whole <= LAID_OUT_BYTES;
}

function warnings(body) {
  const lines = [];
  if (body.truncated) lines.push("Not all of this body was recorded.");
  if (body.problem) lines.push(body.problem);
  return lines.map((line) => h("p", { class: "problem-line" }, line));
}

function chooser(views, show) {
  const buttons = views.map(([name]) => button(name, () => choose(name),
    { class: "button small", "aria-pressed": "false" }));
  const choose = (name) => {
    buttons.forEach((one, i) => one.setAttribute("aria-pressed", views[i][0] === name));
    show(views.find(([other]) => other === name)[1]);
  };
  return { element: h("div", { class: "chooser", role: "group", "aria-label": "Body shown as" },
    buttons), choose };
}

// `context`: {exchange, side, signal}.
export function bodyView(given) {
  const { exchange, side } = given;
  const body = exchange[`${side}_body`] || {};
  const whole = body.size ?? body.wire_size ?? 0;
  const type = exchange[`${side}_type`] || "";
  const context = { ...given, type, whole };
  const isGoingOn = exchange.state === "pending" && side === "response";
  if (whole === 0 && !isGoingOn) return h("p", { class: "nothing" }, "No body");

  const place = h("div", { class: "body" });
  const views = [["Text", textView], ["Hex", hexView]];
  if (hasLayout(context)) views.unshift(["Laid out", prettyView]);
  const { element, choose } = chooser(views, async (view) => {
    try {
      const shown = await view(context);
      if (!context.signal.aborted) replace(place, shown);
    } catch (error) {
      if (error.name !== "AbortError") replace(place, problem(error));
    }
  });
  const save = h("a", {
    class: "button small", href: apiUrl(`exchanges/${exchange.id}/${side}/body`),
    download: `hark-${exchange.id}-${side}`,
  }, "Save");
  const isCoded = body.wire_size !== body.size && body.wire_size !== null;
  const note = `${type || "no type"}, ${exactSize(whole)}` +
    (isCoded ? `, ${size(body.wire_size)} on the wire` : "");
  choose(views[0][0]);
  return append(h("div", { class: "body-box" }), [
    h("div", { class: "body-head" }, h("h3", {}, "Body"), h("span", { class: "note" }, note),
      h("div", { class: "body-tools" }, element, save)),
    warnings(body), place,
  ]);
}
