// A choice among the examples of the data, to look at what the network makes of one.

import { h, icon, settled, toast } from "./dom.js";
import { count } from "./format.js";
import { getJson } from "./requests.js";
import { known } from "./store.js";

const SETS = [
  ["test", "Test", "rows_test"],
  ["train", "Training", "rows"],
];

export class Examples {
  /** chosen({x, y}) is called with each example that is asked for, the first one at once; {} where there are no data. */
  constructor(chosen, { first = true } = {}) {
    this.chosen = chosen;
    this.there = SETS.filter(([, , rows]) => known.hello?.[rows]);
    this.index = 0;
    const choose = (by) => () => this.go(this.index + by);
    this.set = h("select", { "aria-label": "Set", onchange: () => this.go(0) });
    this.set.append(...this.there.map(([value, words]) => h("option", { value }, words)));
    this.field = h("input", { type: "number", min: 0, value: 0, "aria-label": "Example" });
    const typed = settled(() => this.field.value && this.go(Number(this.field.value)), 250);
    this.field.addEventListener("input", (event) => (event.stopPropagation(), typed()));
    const button = (name, words, f) =>
      h("button", { type: "button", class: "icon", "aria-label": words, onclick: f }, icon(name));
    this.parts = this.there.length
      ? [
          h("label", {}, "Example ", this.set),
          h("div", { class: "stepper" }, button("minus", "Example before", choose(-1)), this.field, button("plus", "Next example", choose(1))),
        ]
      : [];
    if (first) this.go(0);
  }

  /** The numbers of an example; one that is not there is the nearest. */
  async go(index) {
    const found = this.there.find(([value]) => value === this.set.value);
    if (!found) {
      this.chosen({});
      return;
    }
    this.index = Math.max(0, Math.min(known.hello[found[2]] - 1, Math.round(index) || 0));
    this.field.value = String(this.index);
    this.field.title = `0 – ${count(known.hello[found[2]] - 1)}`;
    try {
      this.chosen(await getJson("example", { set: found[0], example: this.index }));
    } catch (error) {
      toast(error.message);
    }
  }
}
