// Whether a value has the shape that `document.json` gives it; the notation is in README.md.

/** A JSON number with the digits that came. */
export class Digits {
  constructor(text) {
    this.text = text;
  }

  toJSON() {
    return { number: this.text };
  }
}

/** Compares `value`, found at `where`, with `shape`; throws where they differ. */
export function check(shape, value, where) {
  if (Array.isArray(shape)) {
    if (!Array.isArray(value)) misfit(where, "a list", value);
    value.forEach((item, index) => check(shape[0], item, `${where}[${index}]`));
  } else if (typeof shape === "object") {
    checkMembers(shape, value, where);
  } else if (!isLeaf(shape, value)) {
    misfit(where, shape, value);
  }
}

function checkMembers(shape, value, where) {
  if (value === null || value.constructor !== Object) misfit(where, "an object", value);
  for (const name of Object.keys(shape))
    if (!name.endsWith("?") && !Object.hasOwn(value, name)) misfit(where, `member ${name}`, value);
  for (const [name, member] of Object.entries(value)) {
    const due = shape[name] ?? shape[`${name}?`];
    if (due === undefined) misfit(where, `no member ${name}`, value);
    check(due, member, `${where}.${name}`);
  }
}

const LEAVES = {
  anything: () => true,
  boolean: (value) => typeof value === "boolean",
  number: (value) => value instanceof Digits,
  text: (value) => typeof value === "string",
  time: (value) => value instanceof Digits && /^\d{13}$/.test(value.text),
  id: (value) => typeof value === "string" && /^[0-9a-f]{64,72}$/.test(value),
};

function isLeaf(shape, value) {
  if (shape.startsWith("nullable ")) return value === null || isLeaf(shape.slice(9), value);
  const space = shape.indexOf(" ");
  if (space < 0) return LEAVES[shape](value);
  const content = value instanceof Digits ? value.text : value;
  const allowed = shape.slice(space + 1).split("|");
  return LEAVES[shape.slice(0, space)](value) && allowed.includes(content);
}

function misfit(where, due, value) {
  throw new Error(`${where}: ${due} is due, not ${JSON.stringify(value)}`);
}
