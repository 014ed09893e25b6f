// Numbers as a person reads them; what is printed and drawn by Python has the same in figures.py.

const known = (value) => typeof value === "number" && Number.isFinite(value);

const [LARGE, SMALL] = [1e9, 1e-4]; // from here on, and below, in powers of ten

/** Four significant digits, exponents only where they help, 10,000 in threes; "–" for what is not known. */
export function number(value, digits = 4) {
  if (!known(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= LARGE || size < SMALL) return exponent(value, Math.max(0, digits - 2));
  if (Number.isInteger(value)) return grouped(String(value));
  return grouped(size >= Math.min(1000, 10 ** (digits - 1)) ? value.toFixed(Math.max(0, digits - 4)) : String(Number(value.toPrecision(digits))));
}

/** The words of an axis's ticks: alike, and with as many digits as tell them apart; in powers of ten from `large` on. */
export function ticks(values, large = LARGE) {
  const sizes = values.filter((v) => v !== 0).map(Math.abs);
  const far = sizes.some((size) => size >= large) || (sizes.length > 0 && Math.max(...sizes) < 10 * SMALL);
  const write = (v, digits) => (v === 0 ? "0" : far ? exponent(v, digits - 2) : number(v, digits));
  const exact = (text, v) => Math.abs(Number(text.replaceAll(",", "").replaceAll("−", "-")) - v) <= 1e-9 * Math.abs(v);
  for (let digits = 4; ; digits++) {
    const words = values.map((v) => write(v, digits));
    if (digits === 14 || words.every((text, i) => exact(text, values[i]))) return far ? words : padded(words);
  }
}

/** Numbers with as many decimals as the one that has most; 0 stays. */
function padded(words) {
  const places = Math.max(0, ...words.map((text) => (text.split(".")[1] ?? "").length));
  const pad = (text) => `${text}${text.includes(".") ? "" : "."}`.padEnd(text.split(".")[0].length + 1 + places, "0");
  return words.map((text) => (!places || text === "0" || text.includes("e") ? text : pad(text)));
}

/** The same of shares, as per cent. */
export const percents = (values) => ticks(values.map((v) => 100 * v)).map((text) => `${text} %`);

/** [value, its error] as they stand beside each other: the error with two digits, the value to the same place; null for
 * an error that is not known. */
export function withError(value, error) {
  if (!known(value) || !known(error)) return [number(value), null];
  if (error <= 0 || error < 1e-9 * Math.abs(value)) return [number(value), number(error, 2)];
  const size = Math.max(Math.abs(value), error);
  const power = size >= LARGE || size < SMALL ? Math.floor(Math.log10(size)) : 0;
  const [v, e] = [value, error].map((x) => x / 10 ** power);
  const place = 1 - Math.floor(Math.log10(Number(e.toPrecision(2)))); // of the last digit, behind the point
  const unit = 10 ** Math.max(0, -place);
  const tail = power ? exponent(10 ** power, 0).slice(1) : "";
  const write = (x) => grouped((Math.round(x / unit) * unit || 0).toFixed(0));
  const finer = (x) => grouped((Number(x.toFixed(place)) || 0).toFixed(place));
  return [v, e].map((x) => (place > 0 ? finer(x) : write(x)) + tail);
}

/** "0.177 ± 0.010" */
export const plusMinus = (value, error) => withError(value, error).filter((text) => text !== null).join(" ± ");

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

/** From five digits before the point on in threes. */
const grouped = (text) => minus(text.replace(/^(-?)(\d{5,})/, (_, sign, whole) => sign + whole.replace(/\B(?=(\d{3})+$)/g, ",")));

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
