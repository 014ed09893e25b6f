// Numbers as a person reads them.

const known = (value) => typeof value === "number" && Number.isFinite(value);

/** Four significant digits, exponents only where they help; "–" for what is not known. */
export function number(value, digits = 4) {
  if (!known(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-4) return exponent(value, Math.max(0, digits - 2));
  if (Number.isInteger(value)) return minus(String(value));
  return minus(size >= 1000 ? value.toFixed(Math.max(0, digits - 4)) : String(Number(value.toPrecision(digits))));
}

/** 1.2e−8 */
export const exponent = (value, digits) =>
  value
    .toExponential(digits)
    .replace(/(\.\d*?)0+e/, "$1e")
    .replace(".e", "e")
    .replace("e+", "e")
    .replaceAll("-", "−");

/** The same with a fixed number of digits, for figures that change in place. */
export function steady(value, digits = 4) {
  if (!known(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e6 || size < 1e-4)) return number(value, digits);
  const whole = size === 0 ? 0 : Math.floor(Math.log10(size));
  return minus(value.toFixed(Math.max(0, digits - 1 - whole)));
}

const minus = (text) => text.replace("-", "−");

export const percent = (value, digits = 2) => (known(value) ? `${(100 * value).toFixed(digits)} %` : "–");

/** 146,872 */
export const count = (value) => (known(value) ? Math.round(value).toLocaleString("en-GB") : "–");

/** 28 ms, 4.1 s, 2 min 05 s, 1 h 12 min */
export function duration(seconds) {
  if (!known(seconds)) return "–";
  if (seconds < 0.095) return `${Math.round(1000 * seconds)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${String(s % 60).padStart(2, "0")} s`;
  return `${Math.floor(s / 3600)} h ${String(Math.floor((s % 3600) / 60)).padStart(2, "0")} min`;
}

export const shape = (dimensions) => (dimensions.length ? dimensions.join(" × ") : "one number");

/** A metric's or column's name as words: val_accuracy -> Accuracy, validation. */
export function metricName(name) {
  const bare = name.replace(/^val_/, "").replace(/_/g, " ");
  return bare.charAt(0).toUpperCase() + bare.slice(1);
}

/** A metric's value: a share as per cent. */
export const metricValue = (name, value) => (isShare(name) ? percent(value) : steady(value));

export const isShare = (name) => /accuracy|precision|recall|f1|top/.test(name);
