// Pictures and their numbers as files.

import { h } from "./dom.js";

const TYPES = { png: "image/png", svg: "image/svg+xml", csv: "text/csv" };

/** Give a file to the person: a Blob or text, its name made from words. */
export function give(words, end, content) {
  const blob = content instanceof Blob ? content : new Blob([content], { type: TYPES[end] });
  const address = URL.createObjectURL(blob);
  const name = words.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
  h("a", { href: address, download: `${name}.${end}` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

/** Buttons beside a picture that save it: {PNG: f, CSV: f}. */
export function saveButtons(kinds) {
  const button = ([kind, save]) => {
    const title = kind === "CSV" ? "Save the numbers" : "Save the picture";
    return h("button", { type: "button", title, onclick: (event) => (event.stopPropagation(), save()) }, kind);
  };
  return h("div", { class: "saves" }, ...Object.entries(kinds).map(button));
}

/** What paint(context, width, height, palette) draws, on its ground as PNG, with so many pixels for each of CSS's. */
export function savePng(name, paint, width, height, palette, ratio) {
  const copy = document.createElement("canvas");
  [copy.width, copy.height] = [Math.round(width * ratio), Math.round(height * ratio)];
  const context = copy.getContext("2d");
  context.fillStyle = palette.card;
  context.fillRect(0, 0, copy.width, copy.height);
  context.scale(ratio, ratio);
  paint(context, width, height, palette);
  copy.toBlob((blob) => blob && give(name, "png", blob), "image/png");
}

/** Rows of values as CSV, the columns' names first. */
export const toCsv = (names, rows) => [names, ...rows].map((row) => row.map(cell).join(",")).join("\n") + "\n";

const cell = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : (value ?? ""));

/** The picture of the graph, its colours written out, as SVG. */
export function saveSvg(name, picture) {
  const copy = picture.cloneNode(true);
  const colours = getComputedStyle(picture);
  for (const key of ["box", "up", "down", "text", "line", "soft", "faint", "closed", "input", "frame"])
    copy.style.setProperty(`--g-${key}`, colours.getPropertyValue(`--g-${key}`));
  copy.style.background = colours.getPropertyValue("--g-box");
  const { width, height } = picture.viewBox.baseVal;
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  give(name, "svg", new XMLSerializer().serializeToString(copy));
}
