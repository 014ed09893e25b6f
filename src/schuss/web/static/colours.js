// Colour maps. The mountain goes from deep water to snow; a function from one class to the other, from blue to warm.

const SNOW = ["#12324f", "#1d5078", "#3a7ca5", "#7fadc6", "#bfd3de", "#e8eef2", "#fbfcfd"];
const NIGHT = ["#081a2b", "#10385a", "#1f5d88", "#4787ad", "#82adc6", "#b9ced9", "#e4ebef"];
const SPLIT = {
  light: ["#2a6496", "#8fb6d6", "#f4f5f7", "#f0b79d", "#c9501f"],
  dark: ["#5ea3dc", "#2f5878", "#1c2128", "#6b3d28", "#ee7748"],
};
const CLASSES = {
  light: ["#2a6496", "#c9501f", "#4d8a5c", "#8a5a9e", "#b08a1e", "#3b9a9a", "#a8446b", "#6b7280", "#7a9a2e", "#4456a8"],
  dark: ["#6fb0e6", "#ff8a5c", "#7fc391", "#c49ad6", "#e2c15a", "#6fcfcf", "#e58aae", "#aab2bf", "#b3d164", "#8d9cf0"],
};

function parse(hex) {
  return [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
}

/** A table of 256 colours between the stops. */
function table(stops) {
  const colours = stops.map(parse);
  return Array.from({ length: 256 }, (_, i) => {
    const t = (i / 255) * (colours.length - 1);
    const k = Math.min(colours.length - 2, Math.floor(t));
    return colours[k].map((c, j) => c + (colours[k + 1][j] - c) * (t - k));
  });
}

const tables = { snow: table(SNOW), night: table(NIGHT), light: table(SPLIT.light), dark: table(SPLIT.dark) };

const look = (map, share) => map[Math.max(0, Math.min(255, Math.round((Number.isFinite(share) ? share : 1) * 255)))];

/** [r, g, b] of a height between 0 and 1. */
export const height = (share, dark) => look(dark ? tables.night : tables.snow, share);

/** [r, g, b] between one side (0) and the other (1). */
export const between = (share, dark) => look(dark ? tables.dark : tables.light, share);

export const classColour = (label, dark) => CLASSES[dark ? "dark" : "light"][((label % 10) + 10) % 10];
export const classRgb = (label, dark) => parse(classColour(label, dark));
export const rgb = ([r, g, b], shade = 1) =>
  `rgb(${Math.round(Math.min(255, r * shade))} ${Math.round(Math.min(255, g * shade))} ${Math.round(Math.min(255, b * shade))})`;
