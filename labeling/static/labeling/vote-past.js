// The votes of this sitting, newest last, so that they can be taken back; kept across a reload of the tab.
import { load } from "./vote-faces.js";

const KEPT = 50;

export class Past {
  constructor(shelf, minutes) {
    this.lastingMs = minutes * 60_000;
    this.name = `vemo-sitting.${shelf}`;
    const kept = this.#read();
    this.sitting = kept.sitting ?? 0;
    this.votes = kept.votes ?? [];
    this.forget(Date.now());
  }

  /** The face of a vote; its picture is loaded again when the tab was reloaded since. */
  static faceOf(vote) {
    vote.face ??= load(vote);
    vote.face.expiresAt = Infinity; // taking the vote back renews the hold on the face
    return vote.face;
  }

  get newest() {
    return this.votes.at(-1);
  }

  get lastThree() {
    return this.votes.slice(-3).reverse();
  }

  add(vote) {
    if (this.lastingMs) this.votes = [...this.votes, { ...vote, at: Date.now() }].slice(-KEPT);
    this.sitting += 1;
    this.#write();
  }

  /** Let go what is too old to be taken back. Returns whether anything was. */
  forget(now) {
    const before = this.votes.length;
    this.votes = this.votes.filter(({ at = now }) => now - at < this.lastingMs);
    return this.votes.length < before;
  }

  /** A vote that was to be taken back stands after all. */
  stands() {
    this.sitting += 1;
    this.#write();
  }

  /** Forget the vote of this key; undefined if it was none of this sitting. */
  remove(key) {
    const vote = this.votes.find((other) => other.key === key);
    if (!vote) return undefined;
    this.votes = this.votes.filter((other) => other !== vote);
    this.sitting -= 1;
    this.#write();
    return vote;
  }

  #read() {
    try {
      return JSON.parse(sessionStorage.getItem(this.name)) ?? {};
    } catch {
      return {};
    }
  }

  #write() {
    const votes = this.votes.map(({ key, answer, word, id, crop, at }) => ({ key, answer, word, id, crop, at }));
    try {
      sessionStorage.setItem(this.name, JSON.stringify({ sitting: this.sitting, votes }));
    } catch {
      // Without it only undo after a reload is lost.
    }
  }
}
