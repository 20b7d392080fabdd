// SPDX-License-Identifier: MIT
// Bytes as a hex dump: offset, sixteen bytes, and the ASCII among them.

const PER_LINE = 16;

function line(bytes, at, offset) {
  let hex = "";
  let ascii = "";
  for (let i = 0; i < PER_LINE; i += 1) {
    const byte = bytes[at + i];
    if (i === PER_LINE / 2) hex += " ";
    hex += byte === undefined ? "   " : `${byte.toString(16).padStart(2, "0")} `;
    if (byte !== undefined) ascii += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "·";
  }
  return `${(offset + at).toString(16).padStart(8, "0")}  ${hex} ${ascii}`;
}

// `offset`: where these bytes stand in the whole.
export function hexDump(bytes, offset = 0) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += PER_LINE) lines.push(line(bytes, at, offset));
  return lines.join("\n");
}
