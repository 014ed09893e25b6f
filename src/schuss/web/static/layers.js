// The hidden layers of the playground's network: units and layers added and removed.

import { h, icon } from "./dom.js";

const LAYERS = 6;
const UNITS = 64;

export class Layers {
  /** units: units of each hidden layer; changed() is called after each change. */
  constructor(host, units, changed) {
    Object.assign(this, { host, units, changed });
    this.draw();
  }

  change(i, by, focus) {
    const now = this.units[i];
    const steps = by > 0 ? (now < 8 ? 1 : now < 16 ? 2 : 8) : now <= 8 ? 1 : now <= 16 ? 2 : 8;
    this.units[i] = Math.max(1, Math.min(UNITS, now + by * steps));
    this.apply(focus);
  }

  add() {
    this.units.push(this.units.at(-1) ?? 8);
    this.apply("add");
  }

  remove(i) {
    this.units.splice(i, 1);
    this.apply(this.units.length ? `remove-${Math.min(i, this.units.length - 1)}` : "add");
  }

  apply(focus) {
    this.draw();
    this.host.querySelector(`[data-key="${focus}"]`)?.focus();
    this.changed();
  }

  draw() {
    const button = (key, name, label, act, off, kind = "icon") =>
      h(
        "button",
        { type: "button", class: kind, "data-key": key, "aria-label": label, disabled: off, onclick: act },
        icon(name),
      );
    const rows = this.units.map((units, i) =>
      h(
        "div",
        { class: "row" },
        h("span", {}, `Layer ${i + 1}`),
        h(
          "div",
          { class: "stepper" },
          button(
            `less-${i}`,
            "minus",
            `Fewer units in layer ${i + 1}`,
            () => this.change(i, -1, `less-${i}`),
            units <= 1,
          ),
          h("b", { "aria-label": `${units} units` }, String(units)),
          button(
            `more-${i}`,
            "plus",
            `More units in layer ${i + 1}`,
            () => this.change(i, 1, `more-${i}`),
            units >= UNITS,
          ),
        ),
        button(`remove-${i}`, "close", `Remove layer ${i + 1}`, () => this.remove(i), false, "icon plain"),
      ),
    );
    const add = h(
      "button",
      {
        type: "button",
        class: "add",
        "data-key": "add",
        disabled: this.units.length >= LAYERS,
        onclick: () => this.add(),
      },
      icon("plus"),
      "Add a layer",
    );
    this.host.replaceChildren(...rows, add);
  }
}
