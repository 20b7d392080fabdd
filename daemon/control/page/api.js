// SPDX-License-Identifier: MIT
// Asking the daemon, and telling what went wrong.

const root = "/api/v1/";

// `status` is 0 if nobody answered; `column` is where a filter is wrong.
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `hark answered ${status}`);
    this.status = status;
    this.title = problem.title;
    this.column = problem.column;
    this.suggestion = problem.suggestion;
  }
}

export function apiUrl(path, parameters = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== null && value !== "") query.set(name, value);
  }
  const text = query.toString();
  return root + path + (text ? `?${text}` : "");
}

async function readProblem(response) {
  try {
    return await response.json();
  } catch {
    return { title: `hark answered ${response.status}` };
  }
}

// The response, if it is a good one.
export async function ask(path, parameters, options = {}) {
  let response;
  try {
    response = await fetch(apiUrl(path, parameters), { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, { title: "hark does not answer", detail: "Is the daemon running?" });
  }
  if (!response.ok) throw new ApiError(response.status, await readProblem(response));
  return response;
}

export async function askJson(path, parameters, options) {
  return (await ask(path, parameters, options)).json();
}

export function sendJson(method, path, value) {
  return ask(path, {}, {
    method,
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(value),
  });
}

// A part of a body: {bytes, type, problem}. Fewer bytes than `limit` are the last ones.
export async function askBody(id, side, { offset = 0, limit, isRaw = false, signal } = {}) {
  const parameters = { offset: offset || "", limit, raw: isRaw ? 1 : "" };
  const response = await ask(`exchanges/${id}/${side}/body`, parameters, { signal });
  return {
    bytes: new Uint8Array(await response.arrayBuffer()),
    type: response.headers.get("Content-Type") || "",
    problem: response.headers.get("Hark-Problem"),
  };
}
