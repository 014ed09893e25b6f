// A small picture of each of the playground's data sets.

import { svg } from "./dom.js";

/** The picture of the set of that name. */
export function thumbnail(name) {
  const dots = (list, kind) => list.map(([x, y]) => svg("circle", { cx: x, cy: y, r: 2.1, class: kind }));
  const ring = (n, r, at = 0) =>
    Array.from({ length: n }, (_, i) => [
      17 + r * Math.cos(at + (6.283 * i) / n),
      17 + r * Math.sin(at + (6.283 * i) / n),
    ]);
  const arm = (at) =>
    Array.from({ length: 7 }, (_, i) => [
      17 + (3 + 1.7 * i) * Math.cos(at + 0.55 * i),
      17 + (3 + 1.7 * i) * Math.sin(at + 0.55 * i),
    ]);
  const parts = {
    circle: () => [...dots(ring(11, 13), "a"), ...dots([[17, 17], ...ring(5, 5)], "b")],
    xor: () => [
      ...dots(
        [
          [7, 7],
          [12, 9],
          [8, 13],
          [27, 27],
          [22, 25],
          [26, 21],
        ],
        "a",
      ),
      ...dots(
        [
          [27, 7],
          [22, 9],
          [26, 13],
          [7, 27],
          [12, 25],
          [8, 21],
        ],
        "b",
      ),
    ],
    spiral: () => [...dots(arm(0), "a"), ...dots(arm(Math.PI), "b")],
    sine: () => [svg("path", { class: "curve", d: "M3 17C8 -2 13 -2 17 17s9 19 14 0" })],
    steps: () => [svg("path", { class: "curve", d: "M3 28h8V20h7v-8h7V6h6" })],
    points: () => [
      svg("circle", { cx: 11, cy: 22, r: 2.4, class: "a" }),
      svg("circle", { cx: 18, cy: 12, r: 2.4, class: "b" }),
      svg("path", { d: "M25 19v8M21 23h8" }),
    ],
  };
  return svg("svg", { viewBox: "0 0 34 34", "aria-hidden": "true" }, ...parts[name]());
}
