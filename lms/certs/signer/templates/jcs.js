// The one canonical form of JSON (RFC 8785), and the bytes that an eddsa-jcs-2022 proof signs.

/** Write a value in its one canonical form; throws where it has none. */
export function canonical(value) {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "number") return number(value);
  if (typeof value === "string") return text(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object") throw new TypeError("no JSON");
  // sort() compares UTF-16 code units, which is what the standard asks for.
  const names = Object.keys(value).sort();
  return `{${names.map((name) => `${text(name)}:${canonical(value[name])}`).join(",")}}`;
}

function number(value) {
  if (!Number.isFinite(value)) throw new RangeError("no JSON number");
  return JSON.stringify(value);  // ECMAScript's own form; -0 becomes 0
}

function text(value) {
  if (!value.isWellFormed()) throw new RangeError("half a character");
  return JSON.stringify(value);
}

/** SHA-256 of a text's UTF-8. */
export async function sha256(written) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(written)));
}

/** What a proof signs: the hash of its settings, then that of the document (W3C vc-di-eddsa 1.0, 3.3). */
export async function signingInput(settings, written) {
  const input = new Uint8Array(64);
  input.set(await sha256(canonical(settings)), 0);
  input.set(await sha256(written), 32);
  return input;
}

export function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const LETTERS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/** Multibase: `z` and base58btc. */
export function multibase(bytes) {
  let rest = BigInt(`0x0${hex(bytes)}`);
  let written = "";
  while (rest > 0n) {
    written = LETTERS[Number(rest % 58n)] + written;
    rest /= 58n;
  }
  const zeros = bytes.findIndex((byte) => byte !== 0);
  return `z${"1".repeat(zeros < 0 ? bytes.length : zeros)}${written}`;
}
