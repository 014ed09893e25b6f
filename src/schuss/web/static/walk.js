// Stepping through the graph as a debugger does: operation by operation up to the loss, then back down.

/** The order in which a drawn graph is walked, and what is known at each place. */
export class Walk {
  /** picture: the svg element, its parts numbered by data-forward and data-backward. */
  constructor(picture) {
    this.parts = [...picture.querySelectorAll("[data-forward], [data-backward]")];
    // What stands in a box and is known on the way back only, with the number of its box.
    this.backs = [...picture.querySelectorAll(".back")].map((e) => [
      e,
      Number(e.closest("[data-backward]")?.dataset.backward ?? -Infinity),
    ]);
    const boxes = this.parts.filter((e) => e.matches(".op, .layer"));
    const stops = (key) =>
      [...new Map(boxes.filter((e) => e.dataset[key] !== undefined).map((e) => [Number(e.dataset[key]), e]))].sort(
        (a, b) => a[0] - b[0],
      );
    this.forward = stops("forward");
    this.backward = stops("backward");
    this.at = null; // null: everything is lit; else 0 .. length - 1
  }

  get length() {
    return this.forward.length + this.backward.length;
  }

  /** [phase, number within it, its size, the box] of a place. */
  place(at = this.at) {
    const back = at - this.forward.length;
    return back < 0
      ? ["forward", at + 1, this.forward.length, this.forward[at]?.[1]]
      : ["backward", back + 1, this.backward.length, this.backward[back]?.[1]];
  }

  /** The number that has been reached on the way up: what is above is not computed yet. */
  get reached() {
    return this.at === null || this.at >= this.forward.length ? Infinity : this.forward[this.at][0];
  }

  /** The same on the way down. */
  get returned() {
    if (this.at === null) return Infinity;
    return this.at < this.forward.length ? -Infinity : this.backward[this.at - this.forward.length][0];
  }

  /** Go to a place, or to none, and show what has been reached. Returns the box there. */
  go(at) {
    this.at = at === null ? null : Math.max(0, Math.min(this.length - 1, at));
    const { reached, returned } = this;
    const box = this.at === null ? null : this.place()[3];
    for (const part of this.parts) {
      const number = part.matches(".down") ? Number(part.dataset.backward) : Number(part.dataset.forward ?? 0);
      part.classList.toggle("walk-later", part.matches(".down") ? number > returned : number > reached);
      part.classList.toggle("walk-now", part === box);
      part.classList.toggle("walk-back", part === box && this.at >= this.forward.length);
    }
    for (const [part, number] of this.backs) part.classList.toggle("walk-later", number > returned);
    return box;
  }
}
