// The theme, set before anything is painted, so that nothing flashes. theme.js changes it later.
{
  let chosen = null;
  try {
    chosen = localStorage.getItem("schuss-theme");
  } catch {
    // storage is switched off: the system's theme it is
  }
  const dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
}
