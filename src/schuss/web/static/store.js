// What the page knows of each session, kept up by the server's events. Views listen to the kinds that concern them.

const MOMENTS = 1500; // held; then every other one is dropped

const STRETCHES = 2400; // of the curve held; then each two become one
const ROWS = 4000; // of the history held

/** A curve of half as many stretches, each with the lowest and highest of its two. */
function halved(curve) {
  const pairs = (values, f) => Array.from({ length: values.length >> 1 }, (_, i) => f(2 * i, 2 * i + 1, values));
  const { count } = curve;
  const join = (name) =>
    name.endsWith("/low")
      ? (i, k, v) => Math.min(v[i], v[k])
      : name.endsWith("/high")
        ? (i, k, v) => Math.max(v[i], v[k])
        : name === "step" || name === "epoch"
          ? (i, k, v) => v[k]
          : name === "count"
            ? (i, k, v) => v[i] + v[k]
            : (i, k, v) => (v[i] * count[i] + v[k] * count[k]) / (count[i] + count[k]);
  const odd = count.length % 2;
  return Object.fromEntries(
    Object.entries(curve).map(([name, v]) => [name, [...pairs(v, join(name)), ...(odd ? [v.at(-1)] : [])]]),
  );
}

/** A history of half as many rows: of each four those of the lowest and the highest loss. */
function fewer(history) {
  const kept = new Set();
  const loss = history.val_loss ?? history.loss;
  for (let i = 0; i < loss.length; i += 4) {
    const part = [0, 1, 2, 3].map((k) => i + k).filter((k) => k < loss.length);
    kept.add(part.reduce((a, b) => (loss[b] < loss[a] ? b : a)));
    kept.add(part.reduce((a, b) => (loss[b] > loss[a] ? b : a)));
  }
  const rows = [...kept].sort((a, b) => a - b);
  return Object.fromEntries(Object.entries(history).map(([name, column]) => [name, rows.map((i) => column[i])]));
}

/** One session: what is known of it, and who listens. */
function session() {
  const known = {
    hello: null, // the last one
    run: {}, // state: running, paused, finished, epoch, step, loss, metrics, speed, left, lr
    moments: [],
    history: {}, // columns, one entry an epoch
    curve: {}, // columns: step, epoch, count, and of the loss and each metric its mean, /low and /high
    changes: [],
    test: {}, // the loss and metrics of the test rows, where they are known
    quality: null, // of a regression: r2, mae, r2_test, mae_test
    path: [], // [a, b, loss] on the landscape's plane
    landscape: null,
    fn: null, // the function as the server sends it now and then
    members: null, // of a table's training: for each kind of network {name, hidden, epochs, losses}
    connected: false,
  };
  const listeners = new Map();

  const take = {
    hello(e) {
      known.hello = e;
      known.run = e.state ?? {};
      known.moments = e.moments ?? [];
      known.history = e.history ?? {};
      known.curve = e.curve ?? {};
      known.changes = e.changes ?? [];
      known.test = e.test ?? {};
      known.quality = e.quality ?? null;
      known.path = e.path ?? [];
      known.landscape = e.landscape ?? null;
      known.fn = null;
      known.members = e.members ?? null;
    },
    state(e) {
      known.run = e;
    },
    moment(e) {
      const last = known.moments.at(-1);
      if (last && e.step <= last.step) known.moments = known.moments.filter((m) => m.step < e.step);
      known.moments.push(e);
      if (known.moments.length > MOMENTS) known.moments = known.moments.filter((_, i) => i % 2 === 0);
    },
    epoch(e) {
      const row = e.row ?? e;
      for (const [name, value] of Object.entries(row)) {
        if (name !== "type" && name !== "of") (known.history[name] ??= []).push(value);
      }
      if ((known.history.loss?.length ?? 0) > ROWS) known.history = fewer(known.history);
    },
    curve(e) {
      const last = known.curve.step?.at(-1) ?? -1;
      const first = e.curve.step.findIndex((step) => step > last); // the hello may have told some of them
      if (first < 0) return;
      for (const [name, values] of Object.entries(e.curve)) (known.curve[name] ??= []).push(...values.slice(first));
      if (known.curve.step.length > STRETCHES) known.curve = halved(known.curve);
    },
    change(e) {
      known.changes.push(e.change ?? e);
    },
    test(e) {
      known.test = e.test ?? {};
    },
    quality(e) {
      known.quality = e.quality;
    },
    path(e) {
      known.path = e.path ?? [];
    },
    landscape(e) {
      known.landscape = e;
      if (e.path) known.path = e.path.map((p, i) => [p[0], p[1], e.path_loss?.[i] ?? p[2]]);
    },
    function(e) {
      known.fn = e;
    },
    members(e) {
      known.members = e.members;
    },
    gone() {
      known.hello = null;
      known.run = { finished: true };
    },
  };

  const tell = (kind, event = {}) => {
    for (const f of listeners.get(kind) ?? []) f(event);
  };
  return {
    known,
    tell,
    /** Call f(event) for events of these kinds ("hello", "state", ..., "connection"). */
    on(kinds, f) {
      for (const kind of kinds.split(" ")) listeners.set(kind, [...(listeners.get(kind) ?? []), f]);
    },
    /** Take one event and tell the views. */
    receive(event) {
      take[event.type]?.(event);
      tell(event.type, event);
    },
  };
}

/** Whose views these are: the main session's, or, as ?of=play, those of the playground. */
export const OF = new URLSearchParams(location.search).get("of") === "play" ? "play" : "main";

const shown = session();
export const { known, on, tell } = shown;
/** The playground, a session of its own beside what the page shows. */
export const playground = session();

/** What is said where a picture needs rows, and there are none. */
export function withoutRows(words) {
  if (known.hello?.members) return "There is nothing to draw yet: the model is put together when its members are trained.";
  const { opens, table } = known.hello ?? {};
  return opens ? `${words}: open the page by ${opens}${table ? ", of rows that have the target" : ""}.` : `${words}.`;
}

/** What a class is called: its name, where the model or its data know it. */
export const className = (label, of = known) => of.hello?.names?.[label] ?? `class ${label}`;

/** Take one event of the server. */
export function receive(event) {
  const of = event.of ?? OF;
  if (of === "play") playground.receive(event);
  if (of !== OF) return;
  if (event.type === "gone") location.reload(); // to the main session's page
  else shown.receive(event);
}
