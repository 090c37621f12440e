// Everything the vote page shows; it decides nothing.
import { Past } from "./vote-past.js";
import { fill, number, plural } from "./vote-words.js";

const FLASH_MS = 80;
const TOLD_MS = 10_000;

export class View {
  constructor(root, words) {
    this.root = root;
    this.words = words;
    this.buttons = [...root.querySelectorAll("[data-answer], [data-do]")];
    this.parts = Object.fromEntries(
      ["frame", "loading", "last", "offline", "unsent", "told", "done", "doneTitle", "doneText", "donePerhaps", "say"].map((name) => [
        name,
        root.querySelector(`[data-${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}]`),
      ]),
    );
    this.progress = document.querySelector(".studio-progress");
  }

  face(face) {
    this.#stage(true);
    face.image.alt = this.words.face;
    this.parts.frame.replaceChildren(face.image);
    this.parts.frame.removeAttribute("aria-busy");
  }

  /** The face came back from where it had gone. */
  returned() {
    const { frame } = this.parts;
    frame.classList.remove("returned");
    void frame.offsetWidth;
    frame.classList.add("returned");
  }

  loading(text) {
    this.#stage(true);
    this.parts.loading.textContent = text;
    this.parts.frame.replaceChildren(this.parts.loading);
    this.parts.frame.setAttribute("aria-busy", "true");
  }

  /** Nothing to do now. `forGood`: nor in a few minutes. */
  done({ title, text, forGood = false } = {}) {
    this.#stage(false);
    this.parts.doneTitle.textContent = title ?? this.parts.doneTitle.dataset.usual;
    this.parts.doneText.textContent = text ?? this.parts.doneText.dataset.usual;
    this.parts.donePerhaps.hidden = forGood;
    this.parts.done.focus();
  }

  #stage(shown) {
    if (this.parts.done.hidden === shown) return;
    this.parts.done.hidden = shown;
    for (const part of this.root.querySelectorAll(".stage, .panel")) part.hidden = !shown;
  }

  /** What can be pressed now. */
  enable({ answers, undo, takes }) {
    for (const button of this.buttons) {
      if (button.dataset.do === "undo") button.disabled = !undo;
      else if (!["look", "hint"].includes(button.dataset.do)) button.disabled = !answers || (button.dataset.answer && !takes(button));
    }
  }

  flash(button) {
    button.classList.remove("answered");
    void button.offsetWidth; // two answers alike in quick succession shall be seen as two
    button.classList.add("answered");
    setTimeout(() => button.classList.remove("answered"), FLASH_MS);
  }

  lastThree(votes) {
    this.parts.last.replaceChildren(...votes.map((vote) => this.#lastVote(vote)));
  }

  #lastVote(vote) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = `last-vote expression-${vote.answer}`;
    button.dataset.takeBack = vote.key;
    button.title = fill(this.words.takeBack, { answer: vote.word });
    const word = document.createElement("span");
    word.textContent = vote.word;
    const image = Past.faceOf(vote).image;
    button.setAttribute("aria-label", button.title);
    button.append(image, word);
    const item = document.createElement("li");
    item.append(button);
    return item;
  }

  counts({ mine, left, sitting }) {
    const counts = { mine, left, sitting };
    for (const part of document.querySelectorAll("[data-count]")) {
      part.textContent = number(counts[part.dataset.count]);
    }
    this.progress.max = Math.max(1, mine + left);
    this.progress.value = mine;
  }

  /** The amber line: how many votes wait here; 0 takes it away. */
  unsent(count, lasting) {
    this.parts.offline.hidden = count === 0;
    const votes = plural(this.words.votes, count, { votes: count });
    const text = fill(lasting ? this.words.saved : this.words.keepOpen, { votes });
    if (this.parts.unsent.textContent !== text) this.parts.unsent.textContent = text;
  }

  tell(text, link) {
    this.parts.told.replaceChildren(text);
    if (link) {
      const anchor = Object.assign(document.createElement("a"), { href: link.href, textContent: link.text });
      this.parts.told.append(" ", anchor);
    }
    this.parts.told.hidden = false;
    clearTimeout(this.untell);
    if (!link) this.untell = setTimeout(() => { this.parts.told.hidden = true; }, TOLD_MS);
  }

  say(text) {
    this.parts.say.textContent = text;
  }
}
