// The key of this browser: made here, kept in IndexedDB, lent to nobody (it is not extractable).
import { multibase } from "./jcs.js";

const PLACE = "duri-signer";
const SHELF = "keys";
const ED25519 = [0xed, 0x01];  // multicodec ed25519-pub

/** Tell whether this browser can make and use such a key. */
export async function isSupported() {
  if (!globalThis.isSecureContext || !globalThis.indexedDB || !"".isWellFormed) return false;
  try {
    await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]);
    return true;
  } catch {
    return false;
  }
}

/** Make a key and keep it; throws where the browser does not keep it. */
export async function make() {
  const pair = await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]);
  const raw = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
  const name = multibase(new Uint8Array([...ED25519, ...raw]));
  await navigator.storage?.persist?.().catch(() => false);  // asked for, not relied on
  await onShelf("readwrite", (shelf) => shelf.put(pair.privateKey, name));
  if (!(await find(name))) throw new Error("not kept");
  return name;
}

/** Return the private key of this name; undefined where it is not in this browser. */
export function find(name) {
  return onShelf("readonly", (shelf) => shelf.get(name));
}

/** Destroy keys: those that were retired, or never registered. */
export async function destroy(names) {
  for (const name of names) await onShelf("readwrite", (shelf) => shelf.delete(name));
}

/** Sign bytes with a key of this browser. */
export async function sign(key, bytes) {
  return new Uint8Array(await crypto.subtle.sign("Ed25519", key, bytes));
}

function opened() {
  return new Promise((resolve, reject) => {
    const asked = indexedDB.open(PLACE, 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore(SHELF);
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
}

async function onShelf(mode, work) {
  const place = await opened();
  try {
    return await new Promise((resolve, reject) => {
      const turn = place.transaction(SHELF, mode);
      const asked = work(turn.objectStore(SHELF));
      turn.oncomplete = () => resolve(asked.result);
      turn.onabort = turn.onerror = () => reject(turn.error);
    });
  } finally {
    place.close();
  }
}
