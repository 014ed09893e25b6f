// A form with a field for each column of a table: numbers with a slider, levels, dates; each may be missing.

import { h } from "./dom.js";
import { number } from "./format.js";

const CHOSEN = 80; // levels that are offered in a list to choose from; of more one is typed
const STEPS = 200; // of a slider
const MISSING = "missing";

/**
 * The fields of columns, as the server tells of them; changed() is called with each change. Of many columns the first
 * ones are shown, and a button for the others.
 */
export class RowForm {
  constructor(host, columns, changed, first = Infinity) {
    this.fields = columns.map((column) => new Field(column, changed));
    const rest = this.fields.slice(first);
    for (const field of rest) field.host.hidden = true;
    this.more = h("button", { type: "button", hidden: !rest.length, onclick: () => this.showAll().focus() }, `${rest.length} more columns`);
    host.replaceChildren(...this.fields.map((field) => field.host), this.more);
  }

  /** Show the columns that are hidden; the first one's field. */
  showAll() {
    const next = this.fields.find((field) => field.host.hidden);
    for (const field of this.fields) field.host.hidden = false;
    this.more.hidden = true;
    return next.input;
  }

  /** Fill the fields with a row. */
  take(row) {
    for (const field of this.fields) field.value = row[field.column.name] ?? null;
    this.mark({});
  }

  get row() {
    return Object.fromEntries(this.fields.map((field) => [field.column.name, field.value]));
  }

  /** Whether anything was changed since. */
  get changed() {
    return this.fields.some((field) => field.changed);
  }

  /** What the browser finds wrong, {column: what}. */
  get faults() {
    return Object.fromEntries(this.fields.filter((f) => f.bad).map((f) => [f.column.name, f.bad]));
  }

  /** Show what is wrong with values, and which were changed. */
  mark(faults) {
    for (const field of this.fields) field.mark(faults[field.column.name]);
    if (this.fields.some((field) => field.host.hidden && faults[field.column.name])) this.showAll();
  }
}

let made = 0; // fields, for their ids

class Field {
  constructor(column, changed) {
    this.column = column;
    this.id = `field-${made++}`;
    const { input, slider, list } = this.parts();
    Object.assign(this, { input, slider, given: null, text: null }); // text: what the field says of the value given
    this.note = h("small", { id: `${this.id}-note` }, this.range());
    input.setAttribute("aria-describedby", this.note.id);
    this.host = h("div", { class: "field" }, h("label", { for: this.id, title: column.reason }, column.name), input, slider, list, this.note);
    input.addEventListener("input", () => (this.slide(), changed()));
    slider?.addEventListener("input", () => ((input.value = slider.value), changed()));
  }

  parts() {
    const { kind, levels, more, low, high, whole } = this.column;
    const { id } = this;
    if (kind === "number") {
      const input = h("input", { id, type: "number", step: whole ? "1" : "any", placeholder: MISSING, inputmode: "decimal" });
      const slider = high > low && h("input", { type: "range", min: low, max: high, step: whole ? 1 : tidy((high - low) / STEPS), tabindex: -1, "aria-hidden": "true" });
      return { input, slider: slider || null };
    }
    if (kind === "date" || kind === "moment" || kind === "time") {
      const type = { date: "date", moment: "datetime-local", time: "time" }[kind];
      return { input: h("input", { id, type }) };
    }
    if (levels.length > CHOSEN || more) {
      const list = h("datalist", { id: `${id}-list` }, ...levels.map((value) => h("option", { value })));
      return { input: h("input", { id, type: "text", list: list.id, placeholder: MISSING }), list };
    }
    const options = levels.map((value) => h("option", { value: `=${value}` }, value));
    return { input: h("select", { id }, ...options, h("option", { value: "" }, MISSING)) };
  }

  /** What the training saw. */
  range() {
    const { kind, low, high, levels, more } = this.column;
    if (kind === "number") return `${number(low)} to ${number(high)}`;
    if (kind === "boolean" || kind === "category") return `${levels.length + more} levels`;
    return kind === "time" ? "a time of day" : `${low.replace("T", " ")} to ${high.replace("T", " ")}`;
  }

  get changed() {
    return this.input.value !== this.text;
  }

  /** As it was given, to the last digit, or as it was changed. */
  get value() {
    const { value } = this.input;
    if (!this.changed) return this.given;
    if (this.column.kind === "number") return value === "" ? null : Number(value);
    if (this.input.tagName === "SELECT") return value === "" ? null : value.slice(1);
    return value.trim() === "" ? null : value;
  }

  set value(value) {
    const { input } = this;
    if (input.tagName === "SELECT") {
      const known = [...input.options].some((o) => o.value === `=${value}`);
      if (value !== null && !known) input.prepend(h("option", { value: `=${value}` }, value)); // a level that training has not seen
      input.value = value === null ? "" : `=${value}`;
    } else input.value = value === null ? "" : this.column.kind === "number" ? String(tidy(value)) : value;
    this.given = value;
    this.text = input.value;
    this.slide();
  }

  /** What the browser cannot read. */
  get bad() {
    return this.input.validity?.badInput ? (this.column.kind === "number" ? "this is no number" : "there is no such date, or it is not whole") : "";
  }

  slide() {
    if (!this.slider) return;
    this.slider.value = String(this.value ?? this.column.typical);
    this.slider.classList.toggle("none", this.value === null);
  }

  mark(fault) {
    const said = fault || this.beyond();
    this.input.setAttribute("aria-invalid", String(Boolean(fault)));
    this.host.classList.toggle("wrong", Boolean(fault));
    this.host.classList.toggle("beyond", Boolean(said) && !fault);
    this.host.classList.toggle("changed", this.changed);
    this.note.textContent = said || this.range();
  }

  /** Where the training saw nothing. */
  beyond() {
    const { value } = this;
    const { kind, low, high, levels, more } = this.column;
    if (value === null) return this.column.missing ? "" : "training saw no row without one";
    if (kind === "number" && (value < low || value > high)) return `training saw ${this.range()}`;
    if ((kind === "date" || kind === "moment") && (value < low || value > high)) return `training saw ${this.range()}`;
    if (kind === "category" && !more && !levels.includes(value)) return "a level that training has not seen";
    return "";
  }
}

const tidy = (value) => Number(value.toPrecision(7));
