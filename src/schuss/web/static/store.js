// What the page knows of each session, kept up by the server's events. Views listen to the kinds that concern them.

const MOMENTS = 1500; // held; then every other one is dropped

/** One session: what is known of it, and who listens. */
function session() {
  const known = {
    hello: null, // the last one
    run: {}, // state: running, paused, finished, epoch, step, loss, metrics, speed, left, lr
    moments: [],
    history: {}, // columns, one entry an epoch
    changes: [],
    test: {}, // the loss and metrics of the test rows, where they are known
    quality: null, // of a regression: r2, mae, r2_test, mae_test
    path: [], // [a, b, loss] on the landscape's plane
    landscape: null,
    fn: null, // the function as the server sends it now and then
    connected: false,
  };
  const listeners = new Map();

  const take = {
    hello(e) {
      known.hello = e;
      known.run = e.state ?? {};
      known.moments = e.moments ?? [];
      known.history = e.history ?? {};
      known.changes = e.changes ?? [];
      known.test = e.test ?? {};
      known.quality = e.quality ?? null;
      known.path = e.path ?? [];
      known.landscape = e.landscape ?? null;
      known.fn = null;
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
