// What the run does, in the bar of every view, with pause and one step at hand.

import { $, relabel, toast, write } from "./dom.js";
import { count, number } from "./format.js";
import { shortcut } from "./keys.js";
import { control } from "./requests.js";
import { known, OF, on, playground } from "./store.js";
import { seen } from "./views.js";

/** Whether there is a run to pause, step and stop. */
export const steerable = () => known.connected && Boolean(known.hello?.controls) && !known.run.finished;

function status() {
  const { hello, run, connected } = known;
  if (!connected) return ["lost", hello ? "Not connected" : "Connecting"];
  if (hello?.mode === "play" && !run.finished && !run.paused) return ["training", "Playground"];
  if (hello?.mode === "view") return ["finished", "A finished run"];
  if (run.finished) return ["finished", "Finished"];
  if (run.paused) return ["paused", `Paused · ${run.step < 1e6 ? count(run.step) : number(run.step, 4)}`];
  return run.running ? ["training", "Training"] : ["waiting", "Getting ready"];
}

function draw() {
  const [kind, text] = status();
  $("status").dataset.kind = kind;
  write($("status-text"), text);
  $("status").title = kind === "paused" ? `Paused at step ${count(known.run.step)}` : text;
  $("quick").hidden = known.hello?.mode === "view" || Boolean(known.hello?.members);
  document.title = `${kind === "training" ? "● " : ""}${known.hello?.model ?? "schuss"} · schuss`;
  const paused = Boolean(known.run.paused);
  for (const id of ["pause", "quick-pause"]) {
    relabel($(id), paused ? "play" : "pause", paused ? "Resume" : "Pause");
    $(id).disabled = !steerable();
  }
  $("quick-pause").title = `${paused ? "Resume" : "Pause"} (P)`;
  $("step").disabled = $("quick-step").disabled = !steerable();
}

/** Ask for a control; a refusal is shown. */
export async function steer(what, value, of = OF) {
  try {
    await control(what, value, of);
  } catch (error) {
    toast(error.message);
  }
}

/** Pause and step where the person looks: in the playground, or the run. */
const here = () => (seen("play") && playground.known.hello ? "play" : OF);
const state = () => (here() === "play" ? playground.known.run : known.run);
const able = () => (here() === "play" ? known.connected && !state().finished : steerable());
const pause = () => able() && steer(state().paused ? "resume" : "pause", undefined, here());
const step = () => able() && steer("step", 1, here());

export function startStatus() {
  for (const id of ["pause", "quick-pause"])
    $(id).addEventListener("click", () => steerable() && steer(known.run.paused ? "resume" : "pause"));
  for (const id of ["step", "quick-step"]) $(id).addEventListener("click", () => steerable() && steer("step", 1));
  $("play-pause").addEventListener("click", pause);
  $("play-step").addEventListener("click", step);
  shortcut("p", "Pause, resume", pause);
  shortcut("n", "One step of training", step);
  on("hello state end connection", draw);
  on("trouble", (event) => toast(event.text));
  on("hello", () => known.hello.troubles?.forEach(toast));
  draw();
}
