// Shortcuts, and the list of them.

import { $, h } from "./dom.js";
import { NAMES, seen, show } from "./views.js";

const shortcuts = []; // {keys, text, view, run}

/** A shortcut: keys as event.key has them; view: only while that one is seen. */
export function shortcut(keys, text, run, view = null) {
  shortcuts.push({ keys: keys.split(" "), text, run, view });
}

const words = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Escape: "Esc" };

function typing(element) {
  return (
    element.closest("input, select, textarea, dialog, [role=application], [role=radiogroup], [role=tablist]") &&
    element.type !== "checkbox"
  );
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (
    typing(event.target) &&
    !(event.key.length === 1 && event.target.closest("[role=tablist], [role=radiogroup], [role=application], input[type=range]"))
  )
    return;
  const found = shortcuts.find(
    (s) => s.keys.some((k) => k.toLowerCase() === event.key.toLowerCase()) && (!s.view || seen(s.view)),
  );
  if (!found) return;
  event.preventDefault();
  found.run(event);
}

export function toggleHelp() {
  const dialog = $("help");
  if (dialog.open) dialog.close();
  else dialog.showModal();
}

export function startKeys() {
  NAMES.forEach((name, i) => shortcut(String(i + 1), "", () => show(name)));
  shortcut("?", "This list", toggleHelp);
  const listed = shortcuts.filter((s) => s.text);
  const row = (keys, text) =>
    h(
      "div",
      {},
      h("dt", {}, text),
      h("dd", {}, ...keys.map((k) => h("kbd", {}, words[k] ?? (k.length === 1 ? k.toUpperCase() : k)))),
    );
  $("help-keys").append(
    row(["1", "–", "5"], "Run, graph, mountain, function, try it"),
    ...listed.map((s) => row(s.keys, s.text)),
  );
  $("help-keys").append(
    row(["Tab"], "From one thing to the next"),
    row(["Enter"], "Open the operation, layer or button; once more: to the operation's panel"),
  );
  $("help-open").addEventListener("click", toggleHelp);
  $("help-close").addEventListener("click", toggleHelp);
  $("help").addEventListener("click", (event) => event.target === $("help") && $("help").close());
  $("help").addEventListener("keydown", (event) => event.key === "?" && ($("help").close(), event.preventDefault()));
  addEventListener("keydown", pressed);
}
