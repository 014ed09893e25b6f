// Pictures and their numbers as files.

import { h } from "./dom.js";

/** Give a file to the person: a Blob, or text of a type. */
export function give(name, content, type) {
  const blob = content instanceof Blob ? content : new Blob([content], { type });
  const address = URL.createObjectURL(blob);
  h("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

/** A name for a file from words. */
export const fileName = (words, end) => `${words.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "")}.${end}`;

/** A canvas on its ground as PNG. */
export function savePng(name, canvas, ground) {
  const copy = document.createElement("canvas");
  [copy.width, copy.height] = [canvas.width, canvas.height];
  const context = copy.getContext("2d");
  context.fillStyle = ground;
  context.fillRect(0, 0, copy.width, copy.height);
  context.drawImage(canvas, 0, 0);
  copy.toBlob((blob) => blob && give(fileName(name, "png"), blob), "image/png");
}

/** Rows of values as CSV, the columns' names first. */
export const toCsv = (names, rows) => [names, ...rows].map((row) => row.map((v) => v ?? "").join(",")).join("\n") + "\n";

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
  give(fileName(name, "svg"), new XMLSerializer().serializeToString(copy), "image/svg+xml");
}
