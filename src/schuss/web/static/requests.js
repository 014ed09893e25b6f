// What the page asks the server.

import { known, OF } from "./store.js";

/** An answer that says what is wrong, in one line. */
export class Refused extends Error {}

async function ask(path, options) {
  if (!known.connected) throw new Refused("the server has stopped");
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Refused("the server does not answer");
  }
  if (response.status === 204) throw new Refused("the playground is not open");
  if (response.ok) return response;
  const text = await response.text();
  let error = text || `the server answered ${response.status}`;
  try {
    error = JSON.parse(text).error ?? error;
  } catch {
    // plain text, then
  }
  throw new Refused(error);
}

/** A path with the session that is asked and values. */
function asked(path, of, values = {}) {
  const given = Object.entries({ of: of === "main" ? null : of, ...values });
  const query = new URLSearchParams(given.filter(([, v]) => v !== "" && v !== null && v !== undefined)).toString();
  return query ? `${path}?${query}` : path;
}

export const getJson = async (path, values = {}, of = OF) => (await ask(asked(path, of, values))).json();
export const getText = async (path, values = {}, of = OF) => (await ask(asked(path, of, values))).text();

export async function post(path, body, of = OF) {
  const response = await ask(asked(path, of), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return response.json();
}

export const control = (what, value, of = OF) =>
  post("control", value === undefined ? { do: what } : { do: what, value }, of);

/**
 * f, but never twice at once: what is asked for meanwhile is asked once more at the end, with the newest arguments.
 * f may be slow; nothing piles up on the server.
 */
export function oneAtATime(f) {
  let running = false;
  let next = null;
  return async function call(...args) {
    if (running) {
      next = args;
      return;
    }
    running = true;
    try {
      await f(...args);
    } finally {
      running = false;
      if (next) {
        const waiting = next;
        next = null;
        call(...waiting);
      }
    }
  };
}
