// A goal for the sitting and a word to rest the eyes: lines that never stand in the way.

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
    this.line.querySelector("span").textContent = this.#fill(this.words.goal, votes);
    const share = Math.min(100, (100 * votes) / this.goal);
    this.line.querySelector("[data-ring]").setAttribute("stroke-dasharray", `${share} 100`);
    this.line.classList.toggle("reached", votes >= this.goal);
  }

  /** What is to be said after a vote that makes it so many; undefined on most. */
  after(votes) {
    const tired = this.#tired(Date.now());
    if (this.goal && votes === this.goal) return this.#fill(this.words.reached, votes);
    return tired ? this.#fill(this.words.pause, votes) : undefined;
  }

  /** Whether one has voted without a rest for as long as one wished; then it counts anew. */
  #tired(now) {
    const { since = now, last = now } = this.#read();
    const begun = now - last > REST_MS ? now : since;
    const tired = this.minutes > 0 && now - begun >= this.minutes * 60_000;
    this.#write({ since: tired ? now : begun, last: now });
    return tired;
  }

  #fill(words, votes) {
    const values = { votes, goal: this.goal, minutes: this.minutes };
    return words.replace(/\{(\w+)\}/g, (_, name) => values[name].toLocaleString(document.documentElement.lang));
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
