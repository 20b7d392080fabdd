// SPDX-License-Identifier: MIT
// The views of an exchange that are facts and fields: overview, request, response, connection.
import { bodyView } from "./body.js";
import { h } from "./dom.js";
import { exactSize, longTime, microseconds } from "./format.js";
import { notesView } from "./notes.js";
import { facts, formPairs, headerSection, pairTable, section } from "./pairs.js";
import { phaseStrip } from "./timing.js";

const states = {
  pending: "goes on",
  done: "answered whole",
  "client-abort": "the program went away first",
  "upstream-error": "no answer could be had; hark answered itself",
  truncated: "the answer broke off",
  interrupted: "hark ended first",
};

function errorBox(exchange) {
  if (!exchange.error && !exchange.error_text) return null;
  return h("div", { class: "problem" }, h("strong", { class: "code" }, exchange.error || "error"),
    h("p", {}, exchange.error_text || ""));
}

function querySection(exchange) {
  if (!exchange.query) return null;
  const pairs = formPairs(exchange.query);
  return section("Query", pairTable("Query", pairs), { note: String(pairs.length) });
}

function interimSections(exchange) {
  return (exchange.interim || []).map((one) =>
    headerSection(`Interim answer ${one.status}`, one.headers));
}

// A mark that this browser can follow: another exchange of the recording.
function exchangeLink(id) {
  return id ? h("a", { href: `/?id=${id}`, "data-open": id }, `#${id}`) : null;
}

export function overviewView(context) {
  const { exchange } = context;
  return h("div", {},
    errorBox(exchange),
    facts([
      ["Began", longTime(exchange.started_us)],
      ["Took", microseconds(exchange.duration_us)],
      ["State", states[exchange.state] || exchange.state],
      ["Request body", exactSize(exchange.request_size)],
      ["Response body", exactSize(exchange.response_size)],
      ["Type", exchange.response_type],
      ["Coding", exchange.response_encoding],
      ["Client", exchange.client_addr],
      ["Server", exchange.server_addr],
      ["Source", exchange.source === "proxy" ? null : exchange.source],
      ["Replay of", exchangeLink(exchange.replay_of)],
      ["Session", exchange.session_id],
    ]),
    phaseStrip(exchange),
    exchange.headers_latin1 ? h("p", { class: "note" },
      "Some bytes of the head were not UTF-8 and are shown as Latin-1.") : null,
    notesView(context));
}

export function requestView(context) {
  const { exchange } = context;
  return h("div", {},
    querySection(exchange),
    headerSection("Request fields", exchange.request_headers),
    bodyView({ ...context, side: "request" }),
    headerSection("Request trailers", exchange.request_trailers));
}

export function responseView(context) {
  const { exchange } = context;
  const hasAnswer = exchange.status !== null && exchange.status !== undefined;
  return h("div", {},
    errorBox(exchange),
    interimSections(exchange),
    hasAnswer || exchange.error ? null
      : h("p", { class: "nothing" }, exchange.state === "pending" ? "No answer yet" : "No answer"),
    headerSection("Response fields", exchange.response_headers),
    hasAnswer && exchange.kind === "http" ? bodyView({ ...context, side: "response" }) : null,
    headerSection("Response trailers", exchange.response_trailers));
}

// --- connection ----------------------------------------------------------------------------------

function expiry(certificate) {
  const date = new Date(certificate.expires);
  if (Number.isNaN(date.getTime())) return certificate.expires;
  return date < Date.now() ? h("span", { class: "s-error" }, `${certificate.expires}, expired`)
    : certificate.expires;
}

export function connectionView({ exchange }) {
  const certificate = exchange.server_cert;
  const isTls = Boolean(exchange.tls_version || certificate);
  return h("div", {},
    section("Connection", facts([
      ["Client", exchange.client_addr],
      ["Server", exchange.server_addr],
      ["Host", exchange.port ? `${exchange.host}, port ${exchange.port}` : exchange.host],
      ["Request", exchange.request_version],
      ["Response", exchange.response_version],
    ])),
    isTls ? section("TLS", facts([
      ["Version", exchange.tls_version],
      ["Cipher", exchange.tls_cipher],
      ["Asked for", exchange.sni],
    ])) : h("p", { class: "nothing" }, "No TLS"),
    certificate && section("Certificate of the server", facts([
      ["Subject", certificate.subject],
      ["Issuer", certificate.issuer],
      ["Expires", expiry(certificate)],
    ])));
}
