// The numbers of a drawn graph: those of all operations at once where they are few, so that they are of the picture's
// own weights; else of the one that is asked for.

import { getJson } from "./requests.js";

const FEW = 400; // operations

export class Operations {
  /** asked: the question the picture answers; count: its operations. */
  constructor(asked, count) {
    this.asked = asked;
    this.many = count > FEW;
    this.loss = null; // of many known with the first that is asked for
    this.ops = new Map(); // name -> as graph.json has it
    this.inputs = new Map();
  }

  /** The numbers of few; of many none yet. */
  static async of(asked, count) {
    const made = new Operations(asked, count);
    if (!made.many) made.keep(await getJson("graph.json", asked));
    return made;
  }

  keep({ loss, ops = [], inputs = [] }) {
    this.loss = loss;
    for (const op of ops) this.ops.set(op.name, op);
    for (const input of inputs) this.inputs.set(input.name, input);
  }

  /** One operation; null where there is none of that name. */
  async get(name) {
    if (!this.ops.has(name) && this.many) {
      const { op, loss } = await getJson("graph.json", { ...this.asked, op: name });
      this.keep({ loss, ops: [op] });
    }
    return this.ops.get(name) ?? null;
  }
}
