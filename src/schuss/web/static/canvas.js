// A canvas as large as its host, sharp on any screen, painted at most once a frame and only while it is seen.

import { h } from "./dom.js";
import { withLegend } from "./legend.js";
import { give, saveButtons, savePng } from "./save.js";
import { svgOf } from "./svg.js";
import { onTheme, palette } from "./theme.js";
import { onShow, seen } from "./views.js";

const sharpness = () => Math.min(devicePixelRatio || 1, 2.5); // pixels of a canvas for each of CSS's

export class Sketch {
  /**
   * paint(context, width, height, palette) draws everything, in CSS pixels.
   * label: what the picture is called; csv(): its numbers as the text of a CSV file; keys(): those of its legend,
   * which the page shows beside it and a saved picture above it.
   */
  constructor(host, view, paint, { label = "", interactive = false, csv = null, keys = () => [] } = {}) {
    this.host = host;
    this.view = view;
    this.paint = paint;
    this.keys = keys;
    this.canvas = h("canvas", { role: "img", "aria-label": label, tabindex: interactive ? 0 : null });
    host.append(this.canvas);
    this.context = this.canvas.getContext("2d");
    host.append(
      saveButtons({
        PNG: () => savePng(label, ...this.whole(), sharpness()),
        SVG: () => give(label, "svg", svgOf(...this.whole())),
        ...(csv && { CSV: () => give(label, "csv", csv()) }),
      }),
    );
    this.width = this.height = 0;
    this.asked = false;
    new ResizeObserver(() => this.redraw()).observe(host);
    onTheme(() => this.redraw());
    onShow(view, () => this.redraw());
  }

  /** The picture with its legend, as it is saved: paint, width, height, palette. */
  whole() {
    const [paint, height] = withLegend(this.keys(), this.paint, this.width, this.height, palette());
    return [paint, this.width, height, palette()];
  }

  describe(text) {
    if (this.canvas.getAttribute("aria-label") !== text) this.canvas.setAttribute("aria-label", text);
  }

  redraw() {
    if (this.asked || !seen(this.view)) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      this.draw();
    });
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.host;
    if (!width || !height) return;
    const ratio = sharpness();
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
    }
    this.width = width;
    this.height = height;
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.context.clearRect(0, 0, width, height);
    this.paint(this.context, width, height, palette());
  }
}

/** Where a pointer event is, in CSS pixels from the element's corner. */
export function place(event, element) {
  const box = element.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}

/** A line through points in pixels; a point that is null starts it anew. */
export function trace(context, points) {
  context.beginPath();
  let open = false;
  for (const point of points) {
    if (!point) open = false;
    else if (open) context.lineTo(point[0], point[1]);
    else {
      context.moveTo(point[0], point[1]);
      open = true;
    }
  }
}
