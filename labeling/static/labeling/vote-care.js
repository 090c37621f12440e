// A goal for the sitting and a word to rest the eyes: lines that never stand in the way.
import { fill, plural } from "./vote-words.js";

const REST_MS = 5 * 60_000; // who has not voted for so long has rested

export class Care {
  constructor(root, words) {
    this.goal = Number(root.dataset.goal);
    this.minutes = Number(root.dataset.pause);
    this.words = words;
    this.line = root.querySelector("[data-goal-line]");
    this.name = `vemo-looking.${root.dataset.shelf}`;
  }

  /** So many votes in this sitting. */
  show(votes) {
    if (!this.goal) return;
    this.line.hidden = false;
    this.line.querySelector("span").textContent = fill(this.words.goal, { votes, goal: this.goal });
    const share = Math.min(100, (100 * votes) / this.goal);
    this.line.querySelector("[data-ring]").setAttribute("stroke-dasharray", `${share} 100`);
    this.line.classList.toggle("reached", votes >= this.goal);
  }

  /** What is to be said after a vote that makes it so many; undefined on most. */
  after(votes) {
    const tired = this.#tired(Date.now());
    if (this.goal && votes === this.goal) return plural(this.words.reached, votes, { goal: this.goal });
    return tired ? plural(this.words.pause, this.minutes, { minutes: this.minutes }) : undefined;
  }

  /** Whether one has voted without a rest for as long as one wished; then it counts anew. */
  #tired(now) {
    const { since = now, last = now } = this.#read();
    const begun = now - last > REST_MS ? now : since;
    const tired = this.minutes > 0 && now - begun >= this.minutes * 60_000;
    this.#write({ since: tired ? now : begun, last: now });
    return tired;
  }

  #read() {
    try {
      return JSON.parse(sessionStorage.getItem(this.name)) ?? {};
    } catch {
      return {};
    }
  }

  #write(looking) {
    try {
      sessionStorage.setItem(this.name, JSON.stringify(looking));
    } catch {
      this.minutes = 0; // without a memory there is nothing to remind of
    }
  }
}
