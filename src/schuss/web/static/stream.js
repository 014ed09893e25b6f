// The server's events, and what happens when they stop: the page says so and tries again, more and more rarely.

import { $ } from "./dom.js";
import { known, receive, tell } from "./store.js";

const WAITS = [2, 3, 5, 10, 15]; // seconds between tries
const PATIENCE = 4000; // milliseconds for one try

let source = null;
let timer = 0;
let tries = 0;

function connect() {
  source?.close();
  source = new EventSource("events");
  source.onmessage = (message) => {
    if (!known.connected) connected(true);
    receive(JSON.parse(message.data));
    if (known.hello) document.documentElement.classList.remove("unheard");
  };
  source.onerror = () => {
    source.close(); // the browser's own tries would fill its console
    connected(false);
    again();
  };
}

function connected(yes) {
  const before = known.connected;
  known.connected = yes;
  if (yes) {
    tries = 0;
    $("lost").hidden = true;
  } else if (before || tries > 0 || known.hello) {
    $("lost").hidden = false;
  }
  if (before !== yes) tell("connection");
}

function again() {
  clearTimeout(timer);
  const wait = WAITS[Math.min(tries++, WAITS.length - 1)];
  $("lost-text").textContent =
    `What you see is the last it said. Trying again every ${wait === 1 ? "second" : `${wait} seconds`}.`;
  timer = setTimeout(attempt, wait * 1000);
}

async function attempt() {
  clearTimeout(timer);
  if (await alive()) connect();
  else again();
}

/** Whether the server answers. A frame is asked, for a failed request of any other kind is written into the console. */
function alive() {
  return new Promise((resolve) => {
    const frame = document.createElement("iframe");
    frame.hidden = true;
    frame.title = "Is the server there?";
    const done = () => {
      clearTimeout(late);
      let there = false;
      try {
        there = frame.contentDocument?.title === "alive";
      } catch {
        there = false; // the browser's own error page, which may not be read
      }
      frame.remove();
      resolve(there);
    };
    const late = setTimeout(done, PATIENCE);
    frame.onload = done;
    frame.src = "static/alive.html";
    document.body.append(frame);
  });
}

export function startStream() {
  $("lost-retry").addEventListener("click", () => {
    tries = 0;
    attempt();
  });
  addEventListener("pagehide", () => source?.close());
  addEventListener("pageshow", (event) => event.persisted && connect());
  connect();
}
