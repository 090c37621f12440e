// An answer of two expressions: first the stronger, then the weaker. Escape, or the button again, leaves.
import { fill } from "./vote-words.js";

export class Mixed {
  constructor(root, words) {
    this.button = root.querySelector('[data-do="mixed"]');
    this.line = root.querySelector("[data-mixed]");
    this.text = this.line.querySelector("span");
    this.question = root.querySelector("[data-question]");
    this.words = words;
    this.on = false;
    this.main = null;
  }

  toggle(on = !this.on) {
    if (!this.button) return;
    this.on = on;
    this.#choose(null);
    this.button.setAttribute("aria-pressed", String(on));
    this.line.hidden = !on;
    this.question.hidden = on;
    this.text.textContent = on ? this.words.mixedFirst : "";
  }

  /** Whether this answer can be given now: only two different expressions mix. */
  takes({ dataset }) {
    return !this.on || ("expression" in dataset && dataset.answer !== this.main?.dataset.answer);
  }

  /** The button is pressed: the whole answer, or undefined while its second half is still to come. */
  answer(button) {
    const { answer, word } = button.dataset;
    if (!this.on) return { answer, word };
    if (!this.main) {
      this.#choose(button);
      this.text.textContent = fill(this.words.mixedSecond, { answer: word });
      return undefined;
    }
    const main = this.main.dataset;
    return { answer: main.answer, second: answer, word: fill(this.words.both, { answer: main.word, second: word }) };
  }

  #choose(button) {
    this.main?.removeAttribute("aria-pressed");
    this.main = button;
    this.main?.setAttribute("aria-pressed", "true");
  }
}
