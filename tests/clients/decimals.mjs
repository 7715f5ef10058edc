// Exact decimal numbers: whole counts of 1e-18, as BigInt.

import assert from "node:assert/strict";

const PLACES = 18;
const ONE = 10n ** BigInt(PLACES);

/** Reads the digits of a JSON number. */
export function decimal(text) {
  const [, sign, whole, part = "", exponent = "0"] = text.match(
    /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i,
  );
  const zeros = PLACES - part.length + Number(exponent);
  assert(zeros >= 0, `${text} is too fine`);
  return BigInt(`${sign}${whole}${part}`) * 10n ** BigInt(zeros);
}

/** The exact product of two. */
export function times(a, b) {
  assert.equal((a * b) % ONE, 0n, "the product is too fine");
  return (a * b) / ONE;
}

/** The sum of a list. */
export const sum = (values) => values.reduce((total, value) => total + value, 0n);
