// The lines of a session's charts.

const OTHER = ["epoch", "loss", "lr", "seconds", "gradient_norm"]; // columns that are no metrics

/** The metric to show large: the first there is, accuracy before others. */
export function mainMetric(known) {
  const names = new Set([
    ...Object.keys(known.run.metrics ?? {}),
    ...Object.keys(known.moments.at(-1)?.metrics ?? {}),
    ...Object.keys(known.curve).filter((n) => ![...OTHER, "step", "count"].includes(n) && !n.includes("/")),
    ...Object.keys(known.history).filter((n) => !OTHER.includes(n) && !n.startsWith("val_") && !n.startsWith("lr/")),
  ]);
  return names.has("accuracy") ? "accuracy" : ([...names][0] ?? null);
}

export const last = (known, name) => known.history[name]?.at(-1) ?? null;

/** Points [epoch, value, lowest, highest] over epochs: the curve where there is one, the moments, or one an epoch. */
export function curve(known, name) {
  const { epoch, [name]: mean, [`${name}/low`]: low, [`${name}/high`]: high } = known.curve;
  if (epoch?.length && mean) return epoch.map((x, i) => [x, mean[i], low[i], high[i]]);
  if (known.moments.length)
    return known.moments.map((m) => [m.epoch, name === "loss" ? m.loss : (m.metrics?.[name] ?? null)]);
  return byEpoch(known, name);
}

const RATES = ["cool", "accent", "class-2", "muted"]; // colours of groups' rates, in turn

/** The rate of each group of parameters, as lines over the epochs; one line where there are no groups. */
export function rates(known) {
  const names = Object.keys(known.run.rates ?? known.moments.at(-1)?.rates ?? {});
  const recorded = names.length ? names : Object.keys(known.history).filter((n) => n === "lr" || n.startsWith("lr/"));
  const columns = recorded.length ? recorded : ["lr"];
  return columns.map((column, i) => ({
    name: columns.length > 1 ? groupName(column) : "Learning rate",
    colour: RATES[i % RATES.length],
    dashed: i >= RATES.length,
    points: known.moments.length
      ? known.moments.map((m) => [m.epoch, m.rates?.[column] ?? (column === "lr" ? m.lr : null)])
      : byEpoch(known, column),
  }));
}

/** What a column's group is called: lr/head -> head. lr is the rate that the slider shows. */
export const groupName = (column) => (column === "lr" ? "Main" : column.slice("lr/".length));

/** One point an epoch; of a very long run only some epochs are known. */
export const byEpoch = (known, name) =>
  (known.history[name] ?? []).map((value, i) => [known.history.epoch?.[i] ?? i + 1, value]);
