// Dark and light: as the system has it, or as the person chose; and the colours for what is drawn on canvas.

import { $, relabel } from "./dom.js";

const system = matchMedia("(prefers-color-scheme: dark)");
const order = ["auto", "light", "dark"];
const names = { auto: "as the system", light: "light", dark: "dark" };
const listeners = new Set();
let chosen = "auto";
let colours = null;

export const still = matchMedia("(prefers-reduced-motion: reduce)");

/** The page's colours by the names of their CSS variables. */
export function palette() {
  if (!colours) {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue(`--${name}`).trim();
    colours = Object.fromEntries(
      ["bg", "card", "sunk", "line", "line-strong", "text", "muted", "faint", "accent", "cool", "grid", "class-2"].map((n) => [
        n,
        read(n),
      ]),
    );
    colours.font = read("font");
    colours.dark = document.documentElement.dataset.theme === "dark";
  }
  return colours;
}

/** Call f whenever the colours have changed. */
export const onTheme = (f) => listeners.add(f);

function apply() {
  const dark = chosen === "auto" ? system.matches : chosen === "dark";
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  relabel($("theme"), { auto: "auto", light: "sun", dark: "moon" }[chosen], `Theme: ${names[chosen]}`);
  $("theme").title = `Theme: ${names[chosen]} (T)`;
  colours = null;
  for (const f of listeners) f();
}

export function nextTheme() {
  chosen = order[(order.indexOf(chosen) + 1) % order.length];
  try {
    if (chosen === "auto") localStorage.removeItem("schuss-theme");
    else localStorage.setItem("schuss-theme", chosen);
  } catch {
    // not kept, then
  }
  apply();
}

export function startTheme() {
  try {
    chosen = localStorage.getItem("schuss-theme") ?? "auto";
  } catch {
    chosen = "auto";
  }
  if (!order.includes(chosen)) chosen = "auto";
  $("theme").addEventListener("click", nextTheme);
  system.addEventListener("change", apply);
  apply();
}
