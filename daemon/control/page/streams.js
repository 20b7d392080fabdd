// SPDX-License-Identifier: MIT
// Event streams (text/event-stream) and JSON lines, read while they come. A piece has the time of
// the recorded segment that ended it; of a compressed stream the segments say nothing about that.

export function isStream(type) {
  return /^(text\/event-stream|application\/(x-)?(ndjson|jsonl|json-lines|stream\+json))/
    .test(type || "");
}

// When each byte came: from the recorded segments [[side, at_us, bytes], …] of one side.
function clockOf(exchange, side) {
  const encoding = exchange.response_encoding;
  if (encoding && encoding !== "identity") return () => null;
  const ends = [];
  let end = 0;
  for (const [of, atUs, bytes] of exchange.chunks || []) {
    if (of !== side) continue;
    end += bytes;
    ends.push([end, atUs]);
  }
  let at = 0; // asked for in order
  return (offset) => {
    while (at < ends.length && ends[at][0] <= offset) at += 1;
    return at < ends.length ? ends[at][1] : null;
  };
}

function readEvent(lines) {
  const event = { name: "", id: "", data: [], comments: [] };
  for (const text of lines) {
    const colon = text.indexOf(":");
    const name = colon < 0 ? text : text.slice(0, colon);
    const value = colon < 0 ? "" : text.slice(colon + 1).replace(/^ /, "");
    if (colon === 0) event.comments.push(value);
    else if (name === "data") event.data.push(value);
    else if (name === "event") event.name = value;
    else if (name === "id") event.id = value;
    else event.comments.push(text);
  }
  return event;
}

// Takes bytes as they come; gives the items that are whole with take().
export class StreamReader {
  constructor(type) {
    this.isEvents = type.startsWith("text/event-stream");
    this.rest = new Uint8Array(0);
    this.offset = 0; // of `rest` in the whole
    this.lines = [];
    this.bytes = 0; // of the event that is being read
    this.decoder = new TextDecoder();
  }

  get received() {
    return this.offset + this.rest.length;
  }

  // The exchange tells the times.
  take(bytes, exchange, isLast) {
    const data = new Uint8Array(this.rest.length + bytes.length);
    data.set(this.rest);
    data.set(bytes, this.rest.length);
    const clock = clockOf(exchange, "response");
    const items = [];
    let start = 0;
    for (let i = 0; i < data.length; i += 1) {
      if (data[i] !== 10 && data[i] !== 13) continue;
      if (data[i] === 13 && i + 1 === data.length && !isLast) break;
      const end = i;
      if (data[i] === 13 && data[i + 1] === 10) i += 1;
      this.takeLine(data.subarray(start, end), clock(this.offset + i), items);
      start = i + 1;
    }
    if (isLast && start < data.length) {
      this.takeLine(data.subarray(start), clock(this.offset + data.length - 1), items);
      start = data.length;
    }
    if (isLast && this.lines.length > 0) this.takeLine(new Uint8Array(0), null, items, true);
    this.rest = data.slice(start);
    this.offset += start;
    return items;
  }

  takeLine(bytes, atUs, items, isCutOff = false) {
    const text = this.decoder.decode(bytes);
    this.bytes += bytes.length;
    if (!this.isEvents) {
      if (text.trim() !== "") items.push({ at_us: atUs, text, size: bytes.length });
    } else if (text !== "") {
      this.lines.push(text);
    } else if (this.lines.length > 0) {
      items.push(this.eventItem(atUs, isCutOff));
      this.lines = [];
      this.bytes = 0;
    }
  }

  eventItem(atUs, isCutOff) {
    const event = readEvent(this.lines);
    const isComment = event.data.length === 0;
    const label = event.name || (isComment ? "comment" : "message");
    return {
      at_us: atUs,
      kind: isComment ? "t-quiet" : "",
      label: event.id ? `${label} #${event.id}` : label,
      text: isComment ? event.comments.join("\n") : event.data.join("\n"),
      size: this.bytes,
      problem: isCutOff ? "The stream ended before this event did." : null,
    };
  }
}
