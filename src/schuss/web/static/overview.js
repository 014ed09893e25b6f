// A deep graph as a whole, small, beside the part that is seen: drag in it to move.

import { place } from "./canvas.js";
import { $ } from "./dom.js";
import { onTheme, palette } from "./theme.js";

const WIDE = 44; // pixels at most: the room beside the picture
const LEAST = 26;
const MANY = 1.6; // times as high as its room: then there is an overview

let boxes = []; // [x, y, width, height, kind] in shares of the picture
let shape = [1, 1];

/** Another picture: where its boxes are. */
export function overviewOf(picture) {
  boxes = [];
  if (picture) {
    const all = picture.getBoundingClientRect();
    shape = [all.width, all.height];
    for (const part of picture.querySelectorAll(".op, .layer")) {
      const box = part.querySelector(":scope > .box, :scope > .frame")?.getBoundingClientRect();
      if (!box) continue;
      const kind = part.matches(".open") ? "frame" : "box";
      boxes.push([(box.x - all.x) / all.width, (box.y - all.y) / all.height, box.width / all.width, box.height / all.height, kind, part]);
    }
  }
  draw();
}

/** The small picture, with a frame around what is seen. */
export function draw() {
  const [host, canvas] = [$("picture"), $("overview")];
  canvas.hidden = !boxes.length || host.scrollHeight < MANY * host.clientHeight;
  if (canvas.hidden) return;
  const height = host.clientHeight - 24;
  const width = Math.max(LEAST, Math.min(WIDE, (height * shape[0]) / shape[1]));
  const ratio = Math.min(devicePixelRatio || 1, 2.5);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const colours = palette();
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  for (const [x, y, w, h, kind, part] of boxes) {
    context.fillStyle = part.matches(".walk-now") ? colours.accent : kind === "frame" ? colours.grid : colours["line-strong"];
    const thick = part.matches(".walk-now") ? 3 : 0.7;
    context.fillRect(x * width, y * height, Math.max(2, w * width), Math.max(thick, h * height - 0.3));
  }
  const top = (host.scrollTop / host.scrollHeight) * height;
  const tall = Math.max(6, (host.clientHeight / host.scrollHeight) * height);
  context.strokeStyle = colours.accent;
  context.lineWidth = 1.5;
  context.strokeRect(1, top + 0.75, width - 2, Math.min(tall, height - top) - 1.5);
}

export function startOverview() {
  const [host, canvas] = [$("picture"), $("overview")];
  const move = (event) => {
    const share = place(event, canvas)[1] / canvas.clientHeight;
    host.scrollTop = share * host.scrollHeight - host.clientHeight / 2;
  };
  canvas.addEventListener("pointerdown", (event) => (canvas.setPointerCapture(event.pointerId), move(event)));
  canvas.addEventListener("pointermove", (event) => event.buttons && move(event));
  host.addEventListener("scroll", draw, { passive: true });
  onTheme(draw);
}
