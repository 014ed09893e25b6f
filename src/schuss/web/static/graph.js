// View 2: the graph of one example's loss, with its values and gradients, as the server draws it.

import { $, h, toast, write } from "./dom.js";
import { layersOf, newData, question, startExample, toggle } from "./example.js";
import { number } from "./format.js";
import { Operations } from "./operations.js";
import { draw as drawOverview, overviewOf, startOverview } from "./overview.js";
import { showInput, showLayer, showOperation } from "./panel.js";
import { getText, oneAtATime } from "./requests.js";
import { saveSvg } from "./save.js";
import { startSteps } from "./steps.js";
import { known, on, withoutRows } from "./store.js";
import { still } from "./theme.js";
import { onShow, seen } from "./views.js";
import { Walk } from "./walk.js";

const EVERY = 2000; // milliseconds between pictures of a run in training
const LARGEST = 1.15; // what is small is not blown up further
const READABLE = 1; // its letters are 11 pixels high, the smallest 9.5

let picture = null; // the svg element
let operations = null;
let walk = null;
let chosen = null; // the name of the operation or input in the panel
let scale = () => Math.max(across(), READABLE); // as it begins
let drawnFor = ""; // set, example, open layers and step of what is drawn
let next = 0; // when a picture of a run in training may be asked for again: a large one takes long

const key = () => JSON.stringify([question(), known.run.step ?? 0, known.hello?.label, known.hello?.mode]);

// -- drawing -------------------------------------------------------------------------------------------

const load = oneAtATime(async () => {
  if (!known.connected || !known.hello) return;
  if (!known.hello.rows && !known.hello.rows_test) {
    message(withoutRows("The graph has the numbers of one example, and there is none"));
    return;
  }
  const wanted = key();
  const began = performance.now();
  $("picture").classList.add("busy");
  if (!picture) say("The numbers of this example are being computed…");
  try {
    const asked = question();
    const text = await getText("graph.svg", asked);
    const found = document.importNode(new DOMParser().parseFromString(text, "image/svg+xml").documentElement, true);
    const walked = new Walk(found);
    put(found, walked, await Operations.of(asked, walked.forward.at(-1)?.[0] ?? 0));
    drawnFor = wanted;
  } catch (error) {
    if (known.connected) message(error.message);
  } finally {
    next = performance.now() + 5 * (performance.now() - began);
    $("picture").classList.remove("busy");
  }
});

function put(found, walked, numbers) {
  const focused = document.activeElement?.closest?.("#picture [tabindex]");
  const again = focused && sign(focused);
  const at = walk?.at ?? null;
  const before = drawnFor ? margin() : 0;
  [picture, walk, operations] = [found, walked, numbers];
  picture.removeAttribute("width");
  picture.removeAttribute("height");
  for (const input of picture.querySelectorAll(".input")) {
    for (const [name, value] of [
      ["tabindex", 0],
      ["role", "button"],
      ["aria-label", `The input ${input.dataset.input}`],
    ])
      input.setAttribute(name, value);
  }
  $("picture").replaceChildren(picture);
  size();
  layersOf(picture);
  overviewOf(picture);
  $("picture").scrollLeft += margin() - before; // the boxes stay where they were, whatever numbers are beside them
  if (at !== null) walk.go(at);
  if (again) [...picture.querySelectorAll("[tabindex]")].find((e) => sign(e) === again)?.focus({ preventScroll: true });
  if (chosen !== null) choose(chosen);
  says();
}

/** How far the boxes in sight are from the left edge, where they begin on a narrow screen. */
function margin() {
  const host = $("picture").getBoundingClientRect();
  const boxes = [...picture.querySelectorAll(".op, .layer")].map((box) => box.getBoundingClientRect());
  return Math.min(...boxes.filter((box) => box.top < host.bottom).map((box) => box.left)) - host.left - 12;
}

/** What a box is, whichever picture it is in. */
const sign = ({ dataset: { op, input, layer } }) => JSON.stringify([op, input, op || input ? "" : layer]);

function message(text) {
  picture = walk = operations = null;
  drawnFor = "";
  overviewOf(null);
  say(text);
  write($("walk-text"), " ");
  choose(null);
}

const say = (text) => $("picture").replaceChildren(h("p", { class: "message", role: "status" }, text));

/** Room for the picture, without the margins around it. */
function room() {
  const { paddingLeft, paddingRight, paddingTop } = getComputedStyle($("picture"));
  const [x, y] = [parseFloat(paddingLeft) + parseFloat(paddingRight), 2 * parseFloat(paddingTop)];
  return [$("picture").clientWidth - x, $("picture").clientHeight - y];
}

const across = () => Math.min(LARGEST, room()[0] / picture.viewBox.baseVal.width);
const whole = () => Math.min(across(), room()[1] / picture.viewBox.baseVal.height);

function size() {
  if (!picture) return;
  const shown = scale();
  picture.style.width = `${Math.round(picture.viewBox.baseVal.width * shown)}px`;
  picture.style.maxWidth = "none";
  picture.dataset.scale = String(shown);
  drawOverview();
}

/** Larger or smaller, around the middle of what is seen; null: all of it. */
function zoom(factor) {
  if (!picture) return;
  const host = $("picture");
  const middle = [
    (host.scrollLeft + host.clientWidth / 2) / host.scrollWidth,
    (host.scrollTop + host.clientHeight / 2) / host.scrollHeight,
  ];
  const wanted = Math.max(Math.min(0.15, whole()), Math.min(3, Number(picture.dataset.scale) * (factor ?? 1)));
  scale = factor === null ? whole : () => wanted;
  size();
  host.scrollLeft = middle[0] * host.scrollWidth - host.clientWidth / 2;
  host.scrollTop = middle[1] * host.scrollHeight - host.clientHeight / 2;
}

// -- choosing ------------------------------------------------------------------------------------------

/** The value that an arrow carries up, or whose gradient it carries down. */
const carried = (arrow) => (arrow.matches(".up") ? arrow.dataset.from : arrow.dataset.to);

function mark() {
  for (const part of picture?.querySelectorAll(".op, .input, g[data-from]") ?? []) {
    const name = part.dataset.op ?? part.dataset.input ?? carried(part);
    part.classList.toggle("chosen", name === chosen);
  }
}

/** Show an operation or input in the panel; null: none. */
async function choose(name) {
  chosen = name;
  mark();
  if (name === null || !operations) {
    showOperation(null);
    return;
  }
  try {
    const input = inputOf(name);
    const op = input ? null : await operations.get(name);
    if (name !== chosen) return;
    if (input) showInput(input, computed(input));
    else showOperation(op, computed(op));
    says();
  } catch (error) {
    if (known.connected) toast(error.message);
  }
}

/** What of an operation or input is computed where the steps are: its value, what comes back to it, what it hands on. */
function computed({ forward = 0, backward = null, came_from: from = [] }) {
  if (!walk || walk.at === null) return undefined;
  const { reached, returned } = walk;
  const when = from.map((name) => operations.ops.get(name)?.backward ?? backward ?? 0);
  const gradient = returned > -Infinity && when.every((number) => number <= returned);
  return { value: forward <= reached, gradient, flows: gradient && (backward ?? Infinity) <= returned };
}

/** An input as graph.json has it; of a graph of many operations no more than its name and who reads it. */
function inputOf(name) {
  const readers = picture.querySelectorAll(`.up[data-forward="0"][data-from="${CSS.escape(name)}"]`);
  if (operations.inputs.has(name)) return operations.inputs.get(name);
  return readers.length ? { name, readers: [...readers].map((arrow) => arrow.dataset.to) } : null;
}

/** An open layer is closed by its heading, not by the space between its boxes. */
function onHeading(layer, event) {
  const frame = layer.querySelector(".frame");
  if (!frame || event.type !== "click") return true;
  return event.clientY < frame.getBoundingClientRect().top + 26 * Number(picture.dataset.scale);
}

function activate(event) {
  const part = event.target.closest?.(".op, .input, .layer, g[data-from]");
  if (!part || !operations) return false;
  if (!part.matches(".layer")) {
    const name = part.dataset.op ?? part.dataset.input ?? carried(part);
    if (event.type === "keydown" && name === chosen) $("panel").focus();
    if (part.matches(".op")) jump(part);
    choose(name);
    bringPanel();
  } else if (onHeading(part, event)) {
    toggle(part.dataset);
    walk = null;
    load();
  } else return false;
  return true;
}

/** Where the panel lies below the picture and out of sight, as on a phone: both are seen in part. */
function bringPanel() {
  const { top } = $("panel").getBoundingClientRect();
  if (top > 0.7 * innerHeight)
    scrollBy({ top: top - 0.5 * innerHeight, behavior: still.matches ? "auto" : "smooth" });
}

// -- stepping ------------------------------------------------------------------------------------------

/** While walking, a click goes to the operation's place on the way. */
function jump(box) {
  if (!walk || walk.at === null) return;
  const back = walk.at >= walk.forward.length;
  const list = back ? walk.backward : walk.forward;
  const i = list.findIndex(([, e]) => e === box);
  if (i >= 0) walk.go(i + (back ? walk.forward.length : 0));
}

function says() {
  if (!walk || walk.at === null) {
    const loss = operations?.loss ?? null;
    const words = loss === null ? "" : ` Loss ${number(loss)}`;
    write($("walk-text"), walk ? `${walk.forward.length} steps up, ${walk.backward.length} back down.${words}` : " ");
    return;
  }
  const [phase, i, n, box] = walk.place();
  const name = box?.dataset.op || box?.dataset.layer || "";
  const incoming = operations?.ops.get(box?.dataset.op)?.incoming;
  const of = typeof incoming?.numbers === "number" ? ` = ${number(incoming.numbers)}` : `, shape [${incoming?.shape.join(", ")}]`;
  const what = !box?.dataset.op
    ? name
    : phase === "forward"
      ? box.getAttribute("aria-label")
      : `d loss / d ${name}${incoming ? of : ""}`;
  $("walk-text").replaceChildren(
    h("b", {}, `${phase === "forward" ? "Forward" : "Backward"} ${i} of ${n}`),
    `  ${what}`,
  );
}

function go(at) {
  if (!walk?.length) return;
  const box = walk.go(at);
  if (!box) choose(null);
  else if (box.dataset.op) choose(box.dataset.op);
  else layerAt(box);
  drawOverview();
  box?.scrollIntoView({ block: "nearest", inline: "nearest", behavior: still.matches ? "auto" : "smooth" });
  says();
}

/** A closed layer on the way. */
async function layerAt(box) {
  chosen = null;
  mark();
  const { forward, layer } = box.dataset;
  const ops = [...operations.ops.values()];
  const name =
    ops.find((op) => op.forward === Number(forward))?.name ??
    picture.querySelector(`.up[data-forward="${forward}"]`)?.dataset.from;
  const last = name ? await operations.get(name).catch(() => null) : null;
  if (walk?.at !== null && walk?.place()[3] === box)
    showLayer(layer, box.getAttribute("aria-label")?.split(": ").at(-1) ?? "", last, last ? computed(last) : undefined);
}

// -- what happens --------------------------------------------------------------------------------------

function hello() {
  newData();
  choose(null);
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
  startOverview();
  startSteps(() => walk, go);
  startExample(
    () => {
      $("panel").scrollTop = 0;
      load();
    },
    () => {
      walk = null;
      load();
    },
  );
  showOperation(null);
  const host = $("picture");
  host.addEventListener("click", activate);
  host.addEventListener("keydown", (event) => {
    if ((event.key === "Enter" || event.key === " ") && event.target !== host && activate(event))
      event.preventDefault();
  });
  $("graph-save").addEventListener("click", () => picture && saveSvg("graph", picture));
  $("zoom-in").addEventListener("click", () => zoom(1.25));
  $("zoom-out").addEventListener("click", () => zoom(0.8));
  $("zoom-fit").addEventListener("click", () => zoom(null));
  new ResizeObserver(size).observe(host);
  on("hello", hello);
  on("hello state end", () => ($("graph-live").parentElement.hidden = known.run.finished !== false));
  setInterval(live, EVERY);
  onShow("graph", () => (drawnFor ? (size(), live()) : load()));
}
