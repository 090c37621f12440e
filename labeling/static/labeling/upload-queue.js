// Files on their way: three at a time, the small ones many in one request, again and again while the network is away.

import { Away, Refused, Stopped, append, create, offset, remove, several } from "./upload-send.js";

const AT_ONCE = 3;
const SMALL_BYTES = 1024 ** 2;
const PACK = { files: 500, bytes: 8 * 1024 ** 2 };
const PIECE = { least: 256 * 1024, first: 8 * 1024 ** 2, most: 16 * 1024 ** 2 };
/** A piece is to take about so long: over a slow line a large one would be given up by some proxy. */
const PIECE_MS = 8000;
const LONGEST_PAUSE_MS = 30_000;
/** What is the matter with everything and not with one file: no session, no role, no room. */
const FOR_ALL = new Set([401, 403, 507]);

export const isSmall = (item) => item.bytes <= SMALL_BYTES;

/** Whether the browser can still read it: a file that was changed or moved away it refuses. */
async function isReadable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

/**
 * Items are {path, bytes, file, url, sent, state, error}; states are waiting, sending, done, failed, and lost: begun
 * by another page, whose file must be chosen again.
 */
export class Queue {
  items = new Map();
  paused = false;
  /** Why everything stands, for people; "" while it does not. */
  trouble = "";
  #ways = 0;
  #lines = { small: [], big: [] };
  #packing = 0;
  #pieceBytes = PIECE.first;
  #stop = new AbortController();
  #asleep = new Set();

  /** how: {api, batch, csrf, most, words, changed}; words: tooLong, unreadable, isGone. */
  constructor(how) {
    Object.assign(this, how);
    window.addEventListener("online", () => this.#wake());
  }

  /** Files that came with an earlier page, as the server lists them. */
  adopt(files) {
    for (const { path, bytes, received, url } of files) {
      this.items.set(path, { path, bytes, url, sent: received, file: null, state: received === bytes ? "done" : "lost" });
    }
    this.changed();
  }

  /** Files dropped or chosen; those of an earlier page go on where they were if `isSame(item, file)`. */
  add(found, isSame = () => true) {
    for (const { path, file } of found) {
      const there = this.items.get(path);
      if (there && (!file || (there.bytes === file.size && isSame(there, file)))) {
        if (there.state === "lost" && file) this.#enqueue(Object.assign(there, { file }));
      } else if (!there || !["waiting", "sending"].includes(there.state)) this.#begin(path, file, there);
    }
    this.changed();
    this.#pump();
  }

  #begin(path, file, before) {
    const item = { path, file, bytes: file?.size ?? 0, sent: 0, url: null, replaces: before?.url ?? null };
    this.items.set(path, item);
    if (!file) this.#fail(item, this.words.unreadable);
    else if (item.bytes > this.most) this.#fail(item, this.words.tooLong);
    else this.#enqueue(item);
  }

  #enqueue(item, first = false) {
    item.state = "waiting";
    item.error = "";
    // One that a server knows the beginning of goes on there.
    const line = isSmall(item) && !item.url && !item.replaces ? this.#lines.small : this.#lines.big;
    if (first) line.unshift(item);
    else line.push(item);
  }

  #fail(item, error) {
    item.state = "failed";
    item.error = error;
  }

  /** How many items are in each state, and bytes in all and sent. */
  figures() {
    const told = { files: this.items.size, waiting: 0, sending: 0, done: 0, failed: 0, lost: 0, bytes: 0, sent: 0 };
    for (const item of this.items.values()) {
      told[item.state] += 1;
      if (item.state === "failed") continue;
      told.bytes += item.bytes;
      told.sent += item.state === "done" ? item.bytes : item.sent;
    }
    return { ...told, running: told.waiting + told.sending > 0, away: this.#asleep.size > 0 };
  }

  pause(trouble = "") {
    this.paused = true;
    this.trouble = trouble;
    this.#stop.abort();
    this.#wake();
    this.changed();
  }

  resume() {
    this.paused = false;
    this.trouble = "";
    this.#stop = new AbortController();
    this.#pump();
    this.changed();
  }

  retry(item) {
    this.#enqueue(item);
    this.#pump();
    this.changed();
  }

  /** Take a file off the list, and off the server if it has some of it. */
  async forget(item) {
    this.items.delete(item.path);
    item.stop?.abort();
    this.changed();
    // What was on its way a moment ago may still hold the file.
    for (let tries = 0; item.url && tries < 5; tries += 1) {
      try {
        return await remove(item.url, { csrf: this.csrf });
      } catch (error) {
        if (!(error instanceof Away)) return undefined;
        await new Promise((resolve) => { setTimeout(resolve, 500); });
      }
    }
    return undefined;
  }

  #how(item, more) {
    const signal = item ? AbortSignal.any([this.#stop.signal, item.stop.signal]) : this.#stop.signal;
    return { csrf: this.csrf, signal, ...more };
  }

  #pump() {
    while (!this.paused && this.#ways < AT_ONCE && this.#lines.small.length + this.#lines.big.length) {
      this.#ways += 1;
      this.#go().finally(() => {
        this.#ways -= 1;
        this.#pump();
        this.changed();
      });
      // A way takes its first job at once, so this loop ends.
    }
  }

  async #go() {
    const { small, big } = this.#lines;
    if (small.length && (this.#packing === 0 || !big.length)) {
      this.#packing += 1;
      await this.#sendPack(this.#takePack()).finally(() => { this.#packing -= 1; });
    } else await this.#sendOne(big.shift());
  }

  #takePack() {
    const { small } = this.#lines;
    let count = 0;
    let bytes = 0;
    while (count < small.length && count < PACK.files && bytes + small[count].bytes <= PACK.bytes) {
      bytes += small[count].bytes;
      count += 1;
    }
    return small.splice(0, count).filter((item) => this.items.get(item.path) === item);
  }

  async #sendPack(items) {
    for (const item of items) item.state = "sending";
    const read = await Promise.all(items.map((item) => item.file.arrayBuffer().catch(() => null)));
    const whole = [];
    items.forEach((item, n) => {
      if (read[n]?.byteLength === item.bytes) whole.push({ item, path: item.path, content: read[n] });
      else this.#fail(item, this.words.unreadable);
    });
    if (!whole.length) return;
    const left = whole.map(({ item }) => item);
    await this.#stubbornly(left, async () => {
      const refused = await several(this.api, this.batch, whole, this.#how());
      for (const item of left) {
        if (refused.has(item.path)) this.#fail(item, refused.get(item.path));
        else Object.assign(item, { state: "done", sent: item.bytes });
      }
    });
  }

  async #sendOne(item) {
    if (this.items.get(item.path) !== item) return;
    Object.assign(item, { state: "sending", stop: new AbortController() });
    await this.#stubbornly([item], async (progressed) => {
      if (item.replaces) {
        await remove(item.replaces, this.#how(item)).catch((error) => { if (!(error instanceof Refused)) throw error; });
        item.replaces = null;
      }
      let at = await this.#offsetOf(item);
      while (at < item.bytes) {
        item.sent = at;
        at = await this.#sendPiece(item, at);
        progressed();
      }
      Object.assign(item, { state: "done", sent: item.bytes });
    });
  }

  async #offsetOf(item) {
    if (item.url) {
      try {
        return await offset(item.url, this.#how(item));
      } catch (error) {
        // The server has forgotten it: begin again.
        if (!(error instanceof Refused && error.status === 404)) throw error;
      }
    }
    const made = await create(this.api, { path: item.path, batch: this.batch, bytes: item.bytes }, this.#how(item));
    item.url = made.url;
    return made.offset;
  }

  async #sendPiece(item, at) {
    const piece = item.file.slice(at, at + this.#pieceBytes);
    const begun = performance.now();
    const there = await append(item.url, at, piece, this.#how(item, {
      sent: (bytes) => {
        item.sent = at + Math.min(bytes, piece.size);
        this.changed();
      },
    }));
    const fitting = piece.size * (PIECE_MS / Math.max(1, performance.now() - begun));
    this.#pieceBytes = Math.round(Math.min(PIECE.most, Math.max(PIECE.least, fitting, this.#pieceBytes / 2)));
    return there;
  }

  /** Do it until it is done; what is in the way of it for good is said of the items, or of everything. */
  async #stubbornly(items, deed) {
    let tries = 0;
    for (;;) {
      try {
        return await deed(() => { tries = 0; });
      } catch (error) {
        if (error instanceof Stopped) return this.#putBack(items);
        if (!(error instanceof Away || (error instanceof Refused && error.status === 409 && error.code === "wrongoffset"))) {
          return this.#giveUp(items, error);
        }
        if (items.length === 1 && !(await isReadable(items[0].file))) return this.#fail(items[0], this.words.unreadable);
      }
      tries += 1;
      this.#pieceBytes = Math.max(PIECE.least, this.#pieceBytes / 2);
      await this.#sleep(Math.min(LONGEST_PAUSE_MS, 500 * 2 ** tries) * (0.5 + Math.random() / 2));
      if (this.paused) return this.#putBack(items);
    }
  }

  #putBack(items) {
    for (const item of items.filter((one) => this.items.get(one.path) === one).reverse()) this.#enqueue(item, true);
  }

  #giveUp(items, error) {
    if (FOR_ALL.has(error.status) || error.code === "overquota") {
      this.#putBack(items);
      if (!this.paused) this.pause(error.message || this.words.isGone);
      return;
    }
    for (const item of items) this.#fail(item, error.message || String(error));
  }

  async #sleep(milliseconds) {
    let wake;
    const woken = new Promise((resolve) => { wake = resolve; });
    this.#asleep.add(wake);
    this.changed();
    const alarm = setTimeout(wake, milliseconds);
    await woken;
    clearTimeout(alarm);
    this.#asleep.delete(wake);
    this.changed();
  }

  #wake() {
    for (const wake of this.#asleep) wake();
  }
}
