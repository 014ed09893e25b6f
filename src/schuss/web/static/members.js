// View 1 while a table's model is trained: the losses of the members of each kind of network.

import { $, h, write } from "./dom.js";
import { count, duration, number, steady } from "./format.js";
import { LineChart } from "./linechart.js";
import { known, on } from "./store.js";
import { steer } from "./status.js";
import { onShow, seen } from "./views.js";

let shown = ""; // for which training the charts are
let parts = []; // {chart, words}
let progress = null;

const over = () => known.run.finished || !known.connected;

/** Whether it is not known yet which kinds are trained. */
const undecided = () => new Set(known.members.map(({ only }) => only).filter(Boolean)).size > 1;

function build() {
  const { members } = known;
  const bar = h("i");
  const words = h("p", { class: "between" }, h("span", {}, " "), h("span", {}, " "));
  const stop = h("button", { class: "danger", onclick: () => steer("stop") }, "Stop training");
  progress = { bar, words, stop, track: h("div", { class: "progress", role: "progressbar", "aria-label": "Progress of the training", "aria-valuemin": 0, "aria-valuemax": 100 }, bar) };
  parts = members.map(({ name, hidden, epochs, only }) => {
    const stage = h("div", { class: "chart" });
    const state = h("p", { class: "faint" }, " ");
    const card = h("article", { class: "card" }, h("header", {}, h("h2", {}, name), state), stage, h("p", { class: "hint" }, `Hidden layers of ${hidden.join(", ")}; ${count(epochs)} epochs. A line for each member, and their mean.`));
    const chart = new LineChart(stage, "run", { name: "Loss", x: (v) => `Epoch ${number(v, 3)}`, y: steady, empty: () => (only && undecided() ? "It is trained if a short run shows that it helps." : "It begins when the kind before has ended.") });
    return { card, chart, state };
  });
  const head = h("article", { class: "card members-head" }, h("div", {}, progress.track, words), stop);
  $("run-members").replaceChildren(head, h("div", { class: "columns even" }, ...parts.map((part) => part.card)));
}

/** The mean of the members that have reached an epoch. */
function meanOf(losses) {
  const most = Math.max(0, ...losses.map((one) => one.length));
  return Array.from({ length: most }, (_, i) => {
    const there = losses.map((one) => one[i]).filter((v) => Number.isFinite(v));
    return [i + 1, there.length ? there.reduce((a, b) => a + b, 0) / there.length : null];
  });
}

function draw() {
  const { members } = known;
  $("run-members").hidden = !members;
  if (!members) {
    shown = "";
    return;
  }
  const key = JSON.stringify([known.hello.label, members.map(({ name, hidden, epochs }) => [name, hidden, epochs])]);
  if (key !== shown) build();
  shown = key;
  members.forEach(({ losses, epochs }, i) => {
    const ended = losses.filter((one) => one.length >= epochs).length;
    const begun = losses.filter((one) => one.length).length;
    write(parts[i].state, begun ? `${ended} of ${losses.length} members trained` : "waits");
    if (!seen("run")) return;
    const each = losses.map((one, k) => ({ name: `Member ${k + 1}`, colour: "line-strong", points: one.map((v, e) => [e + 1, v]) }));
    parts[i].chart.set([...each.filter((one) => one.points.length), { name: "Mean", colour: "accent", points: meanOf(losses) }], [], epochs);
  });
  tell();
}

function tell() {
  const { run, members } = known;
  if (!members || !progress) return;
  const share = run.steps ? run.step / run.steps : 0;
  progress.bar.style.transform = `scaleX(${Math.min(1, share)})`;
  progress.track.setAttribute("aria-valuenow", String(Math.round(100 * share)));
  const [left, right] = progress.words.children;
  const last = share >= 1 ? "The members are trained; they are blended, and their report is made." : "The members of each kind are trained, each without its fold of the rows.";
  const stopped = "The training was stopped; the terminal says what is kept.";
  write(left, share >= 1 ? last : run.finished ? stopped : known.connected ? last : "The training is not heard of any more.");
  const seconds = Math.max(1, Math.round(run.left));
  const soon = run.left && !over() ? ` · about ${seconds < 60 ? `${seconds} s` : duration(seconds)} left` : "";
  write(right, `${count(run.step)} of ${count(run.steps)} epochs${soon}`);
  progress.stop.hidden = over() || share >= 1;
}

export function startMembers() {
  on("hello members", draw);
  on("state end connection", tell);
  onShow("run", draw);
}
