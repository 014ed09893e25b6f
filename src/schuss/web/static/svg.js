// What is drawn on a canvas, as SVG: a context that writes elements in place of pixels. It knows what the page uses.

const NAMESPACE = "http://www.w3.org/2000/svg";
const round = (value) => Number(value.toFixed(2));
const ANCHORS = { center: "middle", right: "end" };
const BASELINES = { middle: "central", top: "text-before-edge" };
const FRESH = {
  fillStyle: "#000",
  strokeStyle: "#000",
  globalAlpha: 1,
  lineWidth: 1,
  lineJoin: "miter",
  lineCap: "butt",
  font: "10px sans-serif",
  textAlign: "start",
  textBaseline: "alphabetic",
};

/** The picture that paint(context, width, height, palette) draws, as the text of an SVG file. */
export function svgOf(paint, width, height, palette) {
  const context = new SvgContext(width, height);
  context.fillStyle = palette.card;
  context.fillRect(0, 0, width, height);
  paint(context, width, height, palette);
  return new XMLSerializer().serializeToString(context.root);
}

class SvgContext {
  constructor(width, height) {
    this.root = element("svg", { width, height, viewBox: `0 0 ${width} ${height}` });
    this.group = this.root; // what is drawn goes in here
    this.ruler = document.createElement("canvas").getContext("2d");
    this.path = "";
    this.dash = [];
    this.saved = [];
    this.names = 0;
    Object.assign(this, FRESH);
  }

  // -- state ---------------------------------------------------------------------------------------------

  save() {
    const { group, dash } = this;
    this.saved.push({ group, dash, ...Object.fromEntries(Object.keys(FRESH).map((name) => [name, this[name]])) });
  }

  restore() {
    Object.assign(this, this.saved.pop());
  }

  /** What follows goes into a group of its own, until restore(). */
  within(attributes) {
    this.group = this.group.appendChild(element("g", attributes));
  }

  translate(x, y) {
    this.within({ transform: `translate(${round(x)} ${round(y)})` });
  }

  rotate(angle) {
    this.within({ transform: `rotate(${round((angle * 180) / Math.PI)})` });
  }

  clip() {
    const id = `clip-${this.names++}`;
    const clip = this.root.appendChild(element("clipPath", { id }));
    clip.append(element("path", { d: this.path }));
    this.within({ "clip-path": `url(#${id})` });
  }

  setLineDash(dash) {
    this.dash = dash;
  }

  // -- paths ---------------------------------------------------------------------------------------------

  beginPath() {
    this.path = "";
  }

  moveTo(x, y) {
    this.path += `M${round(x)} ${round(y)}`;
  }

  lineTo(x, y) {
    this.path += `${this.path ? "L" : "M"}${round(x)} ${round(y)}`;
  }

  closePath() {
    this.path += "Z";
  }

  rect(x, y, width, height) {
    this.roundRect(x, y, width, height, 0);
  }

  roundRect(x, y, width, height, radius) {
    const r = round(Math.min(radius, width / 2, height / 2));
    const [w, h] = [round(width - 2 * r), round(height - 2 * r)];
    const corner = (dx, dy) => (r ? `a${r} ${r} 0 0 1 ${dx} ${dy}` : "");
    this.path += `M${round(x + r)} ${round(y)}h${w}${corner(r, r)}v${h}${corner(-r, r)}h${-w}${corner(-r, -r)}v${-h}${corner(r, -r)}Z`;
  }

  /** A whole circle: the page draws no other arc. */
  arc(x, y, radius) {
    const r = round(radius);
    this.path += `M${round(x + radius)} ${round(y)}a${r} ${r} 0 1 1 ${-2 * r} 0a${r} ${r} 0 1 1 ${2 * r} 0Z`;
  }

  fill() {
    this.add("path", { d: this.path, fill: this.paintOf(this.fillStyle) });
  }

  stroke() {
    this.add("path", {
      d: this.path,
      fill: "none",
      stroke: this.paintOf(this.strokeStyle),
      "stroke-width": this.lineWidth,
      "stroke-linejoin": this.lineJoin,
      "stroke-linecap": this.lineCap,
      "stroke-dasharray": this.dash.join(" ") || null,
    });
  }

  fillRect(x, y, width, height) {
    this.add("rect", { x, y, width, height, fill: this.paintOf(this.fillStyle) });
  }

  // -- words, pictures and colours -----------------------------------------------------------------------

  measureText(text) {
    this.ruler.font = this.font;
    return this.ruler.measureText(text);
  }

  fillText(text, x, y) {
    const words = this.add("text", {
      x: round(x),
      y: round(y),
      fill: this.paintOf(this.fillStyle),
      style: `font: ${this.font}`,
      "text-anchor": ANCHORS[this.textAlign],
      "dominant-baseline": BASELINES[this.textBaseline],
    });
    words.textContent = text;
  }

  drawImage(canvas, x, y, width, height) {
    const smooth = this.imageSmoothingEnabled === false ? "image-rendering: pixelated" : null;
    this.add("image", { x, y, width, height, preserveAspectRatio: "none", href: canvas.toDataURL(), style: smooth });
  }

  createLinearGradient(x1, y1, x2, y2) {
    const id = `gradient-${this.names++}`;
    const made = this.root.appendChild(
      element("linearGradient", { id, gradientUnits: "userSpaceOnUse", x1, y1, x2, y2 }),
    );
    made.addColorStop = (offset, colour) => made.append(element("stop", { offset, "stop-color": colour }));
    return made;
  }

  paintOf(style) {
    return typeof style === "string" ? style : `url(#${style.id})`;
  }

  add(tag, attributes) {
    const opacity = this.globalAlpha === 1 ? null : round(this.globalAlpha);
    return this.group.appendChild(element(tag, { ...attributes, opacity }));
  }
}

function element(tag, attributes) {
  const made = document.createElementNS(NAMESPACE, tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) made.setAttribute(name, value);
  }
  return made;
}
