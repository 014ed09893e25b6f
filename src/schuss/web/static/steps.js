// The debugger above the graph: its buttons and keys, and a graph that plays itself.

import { $, relabel } from "./dom.js";
import { shortcut } from "./keys.js";
import { seen } from "./views.js";

const PACE = 900; // milliseconds a step while it plays itself

let playing = 0;

/** walk(): the Walk of what is drawn, or null; go(at): go to a place, or with null to none. */
export function startSteps(walk, go) {
  const move = (by) => {
    const w = walk();
    if (w) go(w.at === null ? (by > 0 ? 0 : w.length - 1) : w.at + by);
  };
  const last = () => walk() && go(walk().length - 1);

  function play(yes) {
    clearInterval(playing);
    playing = 0;
    relabel($("walk-play"), yes ? "pause" : "play", yes ? "Pause" : "Play");
    $("walk-play").title = yes ? "Pause" : "Play";
    const w = walk();
    if (!yes || !w?.length) return;
    if (w.at === null || w.at === w.length - 1) go(0);
    playing = setInterval(() => {
      const now = walk();
      if (!now || now.at === null || now.at >= now.length - 1 || !seen("graph")) play(false);
      else move(1);
    }, PACE);
  }

  const buttons = { "walk-first": () => go(0), "walk-back": () => move(-1), "walk-next": () => move(1) };
  for (const [id, f] of Object.entries({ ...buttons, "walk-last": last }))
    $(id).addEventListener("click", () => (play(false), f()));
  $("walk-play").addEventListener("click", () => play(!playing));
  const key = (keys, words, f) => shortcut(keys, words, (event) => (play(false), f(event)), "graph");
  key("ArrowLeft ArrowRight", "Step back, forward through the graph", (event) =>
    move(event.key === "ArrowLeft" ? -1 : 1),
  );
  key("Home", "To the first step", () => go(0));
  key("End", "To the last step", last);
  key("Escape", "Leave the steps, light everything", () => go(null));
}
