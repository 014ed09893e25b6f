// The five views behind their tabs. The address remembers which; a view that is not seen draws nothing.

import { $ } from "./dom.js";

export const NAMES = ["run", "graph", "mountain", "function", "play"];
const tabs = NAMES.map((name) => $(`tab-${name}`));
const listeners = new Map(NAMES.map((name) => [name, []]));
let current = "";

export const seen = (name) => current === name && !document.hidden;

/** Call f whenever the view comes into sight. */
export const onShow = (name, f) => listeners.get(name).push(f);

export function show(name) {
  if (!NAMES.includes(name) || name === current) return;
  const first = !current;
  current = name;
  NAMES.forEach((other, i) => {
    const on = other === name;
    $(`view-${other}`).hidden = !on;
    tabs[i].setAttribute("aria-selected", String(on));
    tabs[i].tabIndex = on ? 0 : -1;
  });
  // A view is a place that Back returns from; the first one takes the place of the address without it.
  if (location.hash !== `#${name}`) history[first ? "replaceState" : "pushState"](null, "", `#${name}`);
  scrollTo(0, 0);
  for (const f of listeners.get(name)) f();
}

export function startViews() {
  tabs.forEach((tab, i) => {
    tab.addEventListener("click", () => show(NAMES[i]));
    tab.addEventListener("keydown", (event) => {
      const to = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: NAMES.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      const next = (to + NAMES.length) % NAMES.length;
      tabs[next].focus();
      show(NAMES[next]);
    });
  });
  for (const kind of ["hashchange", "popstate"]) addEventListener(kind, () => show(location.hash.slice(1)));
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) for (const f of listeners.get(current) ?? []) f();
  });
  show(NAMES.includes(location.hash.slice(1)) ? location.hash.slice(1) : "run");
}
