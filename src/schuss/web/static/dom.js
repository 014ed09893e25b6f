// Making and finding elements.

export const $ = (id) => document.getElementById(id);

/** An element: h("p", {class: "hint", onclick: f}, "text", child). Properties starting with "on" are listeners. */
export function h(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** The same for SVG. */
export function svg(tag, properties = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), properties, children);
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export const icon = (name) => svg("svg", { "aria-hidden": "true" }, svg("use", { href: `#i-${name}` }));

/** Write text where it differs: what has not changed is not laid out again. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Put the icon and words on a button that changes its meaning. */
export function relabel(button, name, words) {
  const use = button.querySelector("use");
  if (use.getAttribute("href") !== `#i-${name}`) use.setAttribute("href", `#i-${name}`);
  const span = button.querySelector("span");
  if (span) write(span, words);
  else if (button.getAttribute("aria-label") !== words) button.setAttribute("aria-label", words);
}

/** Buttons of which one is chosen, with arrow keys: options are [value, text]. Returns a function that chooses. */
export function choice(host, options, chosen, onchange, content = (_, text) => [text]) {
  const buttons = options.map(([value, text]) =>
    h(
      "button",
      { type: "button", role: "radio", "data-value": value, onclick: () => pick(value, true) },
      ...content(value, text),
    ),
  );
  host.replaceChildren(...buttons);
  function pick(value, told) {
    for (const button of buttons) {
      const on = button.dataset.value === String(value);
      button.setAttribute("aria-checked", String(on));
      button.tabIndex = on ? 0 : -1;
    }
    if (!buttons.some((b) => b.tabIndex === 0)) buttons[0].tabIndex = 0;
    if (told) onchange(value);
  }
  host.addEventListener("keydown", (event) => {
    const move = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const at = buttons.indexOf(document.activeElement);
    if (!move || at < 0) return;
    event.preventDefault();
    event.stopPropagation();
    const next = (at + move + options.length) % options.length;
    buttons[next].focus();
    pick(options[next][0], true);
  });
  pick(chosen, false);
  return (value) => pick(value, false);
}

/** Call f once, `wait` milliseconds after the last call. */
export function settled(f, wait) {
  let timer = 0;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => f(...args), wait);
  };
}

let fading = 0;
/** A short message at the bottom of the page; read out as well. */
export function toast(text) {
  const element = $("toast");
  element.textContent = text;
  element.hidden = false;
  clearTimeout(fading);
  fading = setTimeout(() => (element.hidden = true), 4000);
}
