// Which graph is drawn: of which example of which set, and which layers are open in it.

import { $, h, settled, toast, write } from "./dom.js";
import { count } from "./format.js";
import { known } from "./store.js";

const NAMES = { train: "training", test: "test" };

const chosen = { set: "train", example: 0, open: new Set(), closed: new Set(), collapse: "auto" };

const nameOf = (set) => known.hello?.table?.source || NAMES[set];

/** What the server is asked for. */
export const question = () => ({
  set: chosen.set,
  example: chosen.example,
  open: [...chosen.open].join(","),
  closed: [...chosen.closed].join(","),
  collapse: chosen.collapse,
});

/** Open a closed layer, close an open one. */
export function toggle({ layer, open }) {
  chosen[open === "true" ? "open" : "closed"].delete(layer);
  chosen[open === "true" ? "closed" : "open"].add(layer);
}

function fold(collapse) {
  chosen.collapse = collapse;
  chosen.open.clear();
  chosen.closed.clear();
}

/** What the button does to the picture that is seen: open what is closed (repeats stay folded), else fold. */
export function layersOf(picture) {
  const [closed, open] = ["closed", "open"].map((kind) => picture.querySelector(`.layer.${kind}`) !== null);
  const opens = closed && chosen.collapse !== "false";
  $("graph-layers").hidden = !closed && !open;
  $("graph-layers").dataset.collapse = opens ? "false" : "true";
  write($("graph-layers"), opens ? "Open all layers" : "Fold the layers");
}

const rowsOf = (set) => (set === "test" ? known.hello?.rows_test : known.hello?.rows) ?? 0;

/** Choose an example; one that is not there is said, and the nearest taken. */
function pick(wanted) {
  const last = Math.max(0, rowsOf(chosen.set) - 1);
  const asked = Math.round(Number(wanted) || 0);
  chosen.example = Math.max(0, Math.min(last, asked));
  if (asked !== chosen.example)
    toast(`There is no example ${count(asked)}: ${known.hello?.table ? nameOf() : `the ${NAMES[chosen.set]} set`} goes from 0 to ${count(last)}.`);
  field();
}

function field() {
  const last = Math.max(0, rowsOf(chosen.set) - 1);
  const input = $("graph-index");
  if (Number(input.value) !== chosen.example || !input.value) input.value = String(chosen.example);
  input.max = String(last);
  write($("graph-range"), `0 – ${count(last)}`);
}

/** Another run or model: its sets, and nothing opened by hand. */
export function newData() {
  const sets = Object.keys(NAMES).filter(rowsOf);
  $("graph-set").replaceChildren(...sets.map((value) => h("option", { value }, nameOf(value))));
  $("graph-example").classList.toggle("empty", !sets.length);
  if (!sets.includes(chosen.set)) chosen.set = sets[0] ?? "train";
  $("graph-set").value = chosen.set;
  chosen.example = Math.min(chosen.example, Math.max(0, rowsOf(chosen.set) - 1));
  field();
  fold("auto");
}

/** example() is called for another example, layers() for other layers. */
export function startExample(example, layers) {
  const fresh = settled(example, 150);
  const choose = (wanted) => (pick(wanted), fresh());
  $("graph-example").addEventListener("submit", (event) => event.preventDefault());
  $("graph-set").addEventListener("change", () => {
    chosen.set = $("graph-set").value;
    choose(0);
  });
  $("graph-index").addEventListener(
    "input",
    settled(() => $("graph-index").value && choose($("graph-index").value), 250),
  );
  $("graph-index").addEventListener("change", () => $("graph-index").value || field());
  $("graph-less").addEventListener("click", () => choose(chosen.example - 1));
  $("graph-more").addEventListener("click", () => choose(chosen.example + 1));
  $("graph-layers").addEventListener("click", () => {
    fold($("graph-layers").dataset.collapse);
    layers();
  });
}
