// SPDX-License-Identifier: MIT
// Numbers and times as people read them.

const units = ["B", "KiB", "MiB", "GiB", "TiB"];

export function size(bytes) {
  if (bytes === null || bytes === undefined) return "";
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

export function exactSize(bytes) {
  if (bytes === null || bytes === undefined) return "";
  const exact = `${bytes.toLocaleString("en")} ${bytes === 1 ? "byte" : "bytes"}`;
  return bytes < 1024 ? exact : `${size(bytes)} (${exact})`;
}

export function duration(ms) {
  if (ms === null || ms === undefined) return "";
  if (ms < 1) return `${Math.round(ms * 1000)} µs`;
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60000) return `${(ms / 1000).toFixed(ms < 10000 ? 2 : 1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

export function microseconds(us) {
  return us === null || us === undefined ? "" : duration(us / 1000);
}

const two = (number) => String(number).padStart(2, "0");
const startOfDay = (date) => new Date(date).setHours(0, 0, 0, 0);

function clock(date) {
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

function day(date) {
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

// In the list: today by the clock, this year without the year.
export function shortTime(iso) {
  const date = new Date(iso);
  if (startOfDay(date) === startOfDay(Date.now())) return clock(date);
  if (date.getFullYear() !== new Date().getFullYear()) return day(date);
  return `${day(date).slice(5)} ${clock(date).slice(0, 5)}`;
}

export function longTime(us) {
  const date = new Date(us / 1000);
  return `${day(date)} ${clock(date)}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

// The class that colours a status.
export function statusClass(row) {
  if (row.error || row.state === "upstream-error") return "s-error";
  if (!row.status) return "s-none";
  return `s-${Math.floor(row.status / 100)}`;
}

// What stands in the column of the status; it has no room for a failure().
export function statusText(row) {
  if (row.status) return String(row.status);
  return row.state === "pending" ? "…" : "–";
}

// Why an exchange did not end as it should; null if it did, or goes on.
export function failure(row) {
  return row.error || (["done", "pending"].includes(row.state) ? null : row.state);
}

export function count(number, one, many) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}
