// From numbers to pixels, and the ticks between.

/** {at(value) -> pixel, back(pixel) -> value, ticks} of a linear scale. */
export function linear(low, high, from, to, wanted = 5) {
  if (!(high > low)) [low, high] = [low - 0.5, low + 0.5];
  const step = nice((high - low) / wanted);
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++)
    ticks.push(Number((i * step).toPrecision(12)));
  return {
    low,
    high,
    ticks,
    at: (value) => from + ((value - low) / (high - low)) * (to - from),
    back: (pixel) => low + ((pixel - from) / (to - from)) * (high - low),
  };
}

/** The same for a logarithmic scale; values must be positive. */
export function logarithmic(low, high, from, to) {
  if (!(high > low)) [low, high] = [low / 2, low * 2];
  const inner = linear(Math.log10(low), Math.log10(high), from, to);
  const decades = inner.high - inner.low;
  const within = decades < 1.2 ? [1, 2, 3, 5, 7] : decades < 2.5 ? [1, 2, 5] : [1];
  const every = Math.max(1, Math.ceil(decades / 6));
  const ticks = [];
  for (let d = Math.floor(inner.low); d <= inner.high; d++) {
    if (within.length === 1 && d % every) continue;
    for (const m of within) {
      const value = Number(`${m}e${d}`);
      if (value >= low * 0.999 && value <= high * 1.001) ticks.push(value);
    }
  }
  return {
    low,
    high,
    ticks,
    at: (value) => inner.at(Math.log10(value)),
    back: (pixel) => 10 ** inner.back(pixel),
  };
}

/** 1, 2, 2.5 or 5 times a power of ten, near the value. */
function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  const part = value / power;
  return power * (part < 1.5 ? 1 : part < 2.2 ? 2 : part < 3.5 ? 2.5 : part < 7.5 ? 5 : 10);
}

/** [lowest, highest] of the finite numbers; null if there is none. */
export function span(values) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value === null || value === undefined || !Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : null;
}
