// What the annotator did and the server does not know yet: in order, in localStorage, across reloads.

/** A random UUID; crypto.randomUUID is missing where the site is reached by plain http under a name. */
export function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/**
 * Entries are {kind: "cast" | "skip" | "undo", id, key, …}. Each lies under a name of its own, so that two
 * tabs never overwrite each other; sending one twice is harmless, as the server knows it by its key.
 */
export class Outbox {
  constructor(shelf) {
    this.prefix = `vemo-unsent.${shelf}.`;
    this.lasting = true;
    this.entries = this.#stored();
    this.last = this.entries.at(-1)?.number ?? 0;
  }

  get first() {
    return this.entries[0];
  }

  get length() {
    return this.entries.length;
  }

  /** Whether a vote or skip of this face waits: the server still believes it is ours to answer. */
  holds(id) {
    return this.entries.some((entry) => entry.id === id && entry.kind !== "undo");
  }

  add(entry) {
    this.last = Math.max(Date.now(), this.last + 1);
    const numbered = { ...entry, number: this.last };
    this.entries.push(numbered);
    this.#write(numbered);
  }

  remove(entry) {
    this.entries = this.entries.filter((other) => other !== entry);
    try {
      localStorage.removeItem(this.#name(entry));
    } catch {
      this.lasting = false;
    }
  }

  /** Take back what was not sent yet. False if there is nothing of that key, or it is on its way. */
  drop(key, onItsWay) {
    const entry = this.entries.find((other) => other.key === key && other.kind === "cast" && other !== onItsWay);
    if (entry) this.remove(entry);
    return Boolean(entry);
  }

  #name(entry) {
    return `${this.prefix}${entry.number}.${entry.key}`;
  }

  #write(entry) {
    try {
      localStorage.setItem(this.#name(entry), JSON.stringify(entry));
    } catch {
      this.lasting = false; // private windows and full disks: the page must stay open until all is sent
    }
  }

  #stored() {
    try {
      const names = Object.keys(localStorage).filter((name) => name.startsWith(this.prefix));
      const entries = names.map((name) => JSON.parse(localStorage.getItem(name)));
      return entries.sort((one, other) => one.number - other.number);
    } catch {
      this.lasting = false;
      return [];
    }
  }
}
