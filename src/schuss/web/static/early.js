// What is set before anything is painted, so that nothing flashes: the theme, which theme.js changes later, and that
// nothing is known yet, until the server has said what there is (stream.js).
{
  let chosen = null;
  try {
    chosen = localStorage.getItem("schuss-theme");
  } catch {
    // storage is switched off: the system's theme it is
  }
  const dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  document.documentElement.classList.add("unheard");
}
