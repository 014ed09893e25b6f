// View 2: the graph of one example's loss, with its values and gradients, as the server draws it.

import { $, h, relabel, settled, toast, write } from "./dom.js";
import { number } from "./format.js";
import { shortcut } from "./keys.js";
import { shapeOf } from "./numbers.js";
import { showLayer, showOperation } from "./panel.js";
import { getJson, getText, oneAtATime } from "./requests.js";
import { known, on } from "./store.js";
import { still } from "./theme.js";
import { onShow, seen } from "./views.js";
import { Walk } from "./walk.js";

const EVERY = 2000; // milliseconds between pictures of a run in training
const PACE = 900; // milliseconds a step while it plays itself

const chosen = { set: "train", example: 0, open: new Set(), closed: new Set(), all: false, op: null };
let picture = null; // the svg element
let operations = new Map(); // graph.json by name
let loss = null;
let walk = null;
let scale = null; // null: fit
let drawnFor = ""; // set, example, open layers and step of what is drawn
let playing = 0;
let next = 0; // when a picture of a run in training may be asked for again: a large one takes long

const query = () => ({
  set: chosen.set,
  example: chosen.example,
  open: [...chosen.open].join(","),
  closed: [...chosen.closed].join(","),
  collapse: chosen.all ? "false" : "auto",
});
const key = () => JSON.stringify([query(), known.run.step ?? 0, known.hello?.label, known.hello?.mode]);

// -- drawing -------------------------------------------------------------------------------------------

const load = oneAtATime(async () => {
  if (!known.connected || !known.hello) return;
  const wanted = key();
  const began = performance.now();
  $("picture").classList.add("busy");
  try {
    const asked = query();
    const text = await getText("graph.svg", asked);
    const json = await getJson("graph.json", asked);
    put(text, json);
    drawnFor = wanted;
  } catch (error) {
    if (known.connected) message(error.message);
  } finally {
    next = performance.now() + 5 * (performance.now() - began);
    $("picture").classList.remove("busy");
  }
});

function put(text, json) {
  const found = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
  const focused = document.activeElement?.closest?.("#picture [tabindex]");
  const again = focused && [focused.dataset.op, focused.dataset.layer];
  const at = walk?.at ?? null;
  picture = document.importNode(found, true);
  picture.removeAttribute("width");
  picture.removeAttribute("height");
  $("picture").replaceChildren(picture);
  operations = new Map(json.ops.map((op) => [op.name, op]));
  loss = json.loss;
  walk = new Walk(picture);
  size();
  if (!drawnFor) $("picture").scrollLeft = (picture.clientWidth - $("picture").clientWidth) / 2 + 20;
  if (at !== null) walk.go(at);
  if (again) boxOf(again)?.focus({ preventScroll: true });
  mark();
  if (chosen.op) showOperation(operations.get(chosen.op) ?? null);
  says();
}

function boxOf([op, layer]) {
  return [...picture.querySelectorAll("[tabindex]")].find(
    (e) => e.dataset.op === op && (op || e.dataset.layer === layer),
  );
}

function message(text) {
  picture = walk = null;
  drawnFor = "";
  $("picture").replaceChildren(h("p", { class: "message" }, text));
  write($("walk-text"), " ");
  showOperation(null);
}

function size() {
  if (!picture) return;
  const { width } = picture.viewBox.baseVal;
  const room = $("picture").clientWidth - 40;
  const fit = Math.min(1.15, Math.max(room / width, Math.min(0.62, room / 360)));
  picture.style.width = `${Math.round(width * (scale ?? fit))}px`;
  picture.style.maxWidth = "none";
  picture.dataset.scale = String(scale ?? fit);
}

function zoom(factor) {
  if (!picture) return;
  scale = factor === null ? null : Math.max(0.15, Math.min(3, Number(picture.dataset.scale) * factor));
  size();
}

// -- choosing ------------------------------------------------------------------------------------------

function mark() {
  for (const box of picture.querySelectorAll(".op")) box.classList.toggle("chosen", box.dataset.op === chosen.op);
}

function choose(name) {
  chosen.op = name;
  if (picture) mark();
  showOperation(operations.get(name) ?? null);
}

function toggle(layer) {
  const { layer: name, open } = layer.dataset;
  chosen[open === "true" ? "open" : "closed"].delete(name);
  chosen[open === "true" ? "closed" : "open"].add(name);
  walk = null;
  load();
}

function layersButton() {
  $("graph-layers").setAttribute("aria-pressed", String(chosen.all));
  write($("graph-layers"), chosen.all ? "Fold the layers" : "Open all layers");
}

/** An open layer is closed by its heading, not by the space between its boxes. */
function onHeading(layer, event) {
  const frame = layer.querySelector(".frame");
  if (!frame || event.type !== "click") return true;
  return event.clientY < frame.getBoundingClientRect().top + 26 * Number(picture.dataset.scale);
}

function activate(event) {
  const { target } = event;
  const op = target.closest?.(".op");
  const layer = target.closest?.(".layer");
  if (op?.dataset.op && operations.has(op.dataset.op)) {
    if (walk && walk.at !== null) jump(op);
    choose(op.dataset.op);
  } else if (layer?.dataset.layer && onHeading(layer, event)) toggle(layer);
  else return false;
  return true;
}

/** While walking, a click goes to the operation's place on the way. */
function jump(box) {
  const back = walk.at >= walk.forward.length;
  const list = back ? walk.backward : walk.forward;
  const i = list.findIndex(([, e]) => e === box);
  if (i >= 0) walk.go(i + (back ? walk.forward.length : 0));
  says();
}

// -- the debugger --------------------------------------------------------------------------------------

function says() {
  if (!walk || walk.at === null) {
    write(
      $("walk-text"),
      walk ? `${walk.forward.length} steps up, ${walk.backward.length} back down. Loss ${number(loss)}` : " ",
    );
    return;
  }
  const [phase, i, n, box] = walk.place();
  const op = operations.get(box?.dataset.op);
  const name = box?.dataset.op || box?.dataset.layer || "";
  const of = (s) => (typeof s?.numbers === "number" ? ` = ${number(s.numbers)}` : s ? `, ${shapeOf(s)}` : "");
  const what = !op ? name : phase === "forward" ? `${name} = ${op.expression}` : `d loss / d ${name}${of(op.incoming)}`;
  $("walk-text").replaceChildren(
    h("b", {}, `${phase === "forward" ? "Forward" : "Backward"} ${i} of ${n}`),
    `  ${what}`,
  );
}

function go(at) {
  if (!walk?.length) return;
  const box = walk.go(at);
  if (box) {
    if (box.dataset.op && operations.has(box.dataset.op)) choose(box.dataset.op);
    else layerAt(box);
    box.scrollIntoView({ block: "nearest", inline: "nearest", behavior: still.matches ? "auto" : "smooth" });
  }
  says();
}

/** A closed layer on the way. */
function layerAt(box) {
  choose(null);
  const last = [...operations.values()].find((op) => op.forward === Number(box.dataset.forward));
  showLayer(box.dataset.layer, box.getAttribute("aria-label")?.split(": ").at(-1) ?? "", last);
}

const move = (by) => go(walk?.at === null || walk === null ? (by > 0 ? 0 : (walk?.length ?? 1) - 1) : walk.at + by);

function play(yes) {
  clearInterval(playing);
  playing = 0;
  relabel($("walk-play"), yes ? "pause" : "play", yes ? "Pause" : "Play");
  if (!yes || !walk?.length) return;
  if (walk.at === null || walk.at === walk.length - 1) go(0);
  playing = setInterval(() => {
    if (!walk || walk.at === null || walk.at >= walk.length - 1 || !seen("graph")) play(false);
    else move(1);
  }, PACE);
}

function startWalk() {
  const buttons = {
    "walk-first": () => go(0),
    "walk-back": () => move(-1),
    "walk-next": () => move(1),
    "walk-last": () => go(walk.length - 1),
  };
  for (const [id, f] of Object.entries(buttons)) $(id).addEventListener("click", () => (play(false), walk && f()));
  $("walk-play").addEventListener("click", () => play(!playing));
  shortcut(
    "ArrowLeft ArrowRight",
    "Step back, forward through the graph",
    (event) => (play(false), move(event.key === "ArrowLeft" ? -1 : 1)),
    "graph",
  );
  shortcut("Home", "To the first step", () => go(0), "graph");
  shortcut("End", "To the last step", () => walk && go(walk.length - 1), "graph");
  shortcut(
    "Escape",
    "Leave the steps, light everything",
    () => {
      play(false);
      if (walk) walk.go(null);
      choose(null);
      says();
    },
    "graph",
  );
}

// -- the example ---------------------------------------------------------------------------------------

const rows = () => (chosen.set === "test" ? known.hello?.rows_test : known.hello?.rows) ?? 0;

const fresh = settled(() => {
  $("panel").scrollTop = 0;
  load();
}, 150);

function pick(example) {
  chosen.example = Math.max(0, Math.min(Math.max(0, rows() - 1), Math.round(Number(example) || 0)));
  $("graph-index").value = String(chosen.example);
  $("graph-index").max = String(Math.max(0, rows() - 1));
  fresh();
}

function startExample() {
  $("graph-example").addEventListener("submit", (event) => event.preventDefault());
  $("graph-set").addEventListener("change", () => {
    chosen.set = $("graph-set").value;
    pick(0);
  });
  $("graph-index").addEventListener(
    "input",
    settled(() => pick($("graph-index").value), 250),
  );
  $("graph-less").addEventListener("click", () => pick(chosen.example - 1));
  $("graph-more").addEventListener("click", () => pick(chosen.example + 1));
  $("graph-layers").addEventListener("click", () => {
    chosen.all = !chosen.all;
    chosen.open.clear();
    chosen.closed.clear();
    layersButton();
    walk = null;
    load();
  });
}

function hello() {
  const { hello } = known;
  const sets = [
    ["train", hello.rows, "training"],
    ["test", hello.rows_test, "test"],
  ].filter(([, n]) => n);
  $("graph-set").replaceChildren(...sets.map(([value, , text]) => h("option", { value }, text)));
  if (!sets.some(([value]) => value === chosen.set)) chosen.set = sets[0]?.[0] ?? "train";
  $("graph-set").value = chosen.set;
  $("graph-index").value = String(Math.min(chosen.example, Math.max(0, rows() - 1)));
  chosen.example = Number($("graph-index").value);
  chosen.open.clear();
  chosen.closed.clear();
  chosen.all = false;
  choose(null);
  layersButton();
  walk = null;
  drawnFor = "";
  if (seen("graph")) load();
}

/** Now and then while it trains, and not while somebody steps through it. */
function live() {
  if (!seen("graph") || !$("graph-live").checked || (walk && walk.at !== null)) return;
  if (key() !== drawnFor && performance.now() > next) load();
}

export function startGraph() {
  startWalk();
  startExample();
  showOperation(null);
  const host = $("picture");
  host.addEventListener("click", activate);
  host.addEventListener("keydown", (event) => {
    if ((event.key === "Enter" || event.key === " ") && event.target !== host && activate(event))
      event.preventDefault();
  });
  $("zoom-in").addEventListener("click", () => zoom(1.25));
  $("zoom-out").addEventListener("click", () => zoom(0.8));
  $("zoom-fit").addEventListener("click", () => zoom(null));
  new ResizeObserver(size).observe(host);
  on("hello", hello);
  setInterval(live, EVERY);
  onShow("graph", () => (drawnFor ? (size(), live()) : load()));
}
