// Everything the vote page shows; it decides nothing.
import { Past } from "./vote-past.js";

const FLASH_MS = 80;
const TOLD_MS = 10_000;

export class View {
  constructor(root) {
    this.root = root;
    this.buttons = [...root.querySelectorAll("[data-answer], [data-do]")];
    this.parts = Object.fromEntries(
      ["frame", "loading", "last", "offline", "unsent", "told", "done", "doneTitle", "doneText", "say"].map((name) => [
        name,
        root.querySelector(`[data-${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}]`),
      ]),
    );
    this.progress = document.querySelector(".studio-progress");
  }

  face(face) {
    this.#stage(true);
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

  done({ title, text } = {}) {
    this.#stage(false);
    if (title) this.parts.doneTitle.textContent = title;
    if (text) this.parts.doneText.textContent = text;
    this.parts.done.focus();
  }

  #stage(shown) {
    if (this.parts.done.hidden === shown) return;
    this.parts.done.hidden = shown;
    for (const part of this.root.querySelectorAll(".stage, .panel")) part.hidden = !shown;
  }

  /** What can be pressed now. */
  enable({ answers, undo }) {
    for (const button of this.buttons) {
      if (button.dataset.do === "undo") button.disabled = !undo;
      else if (button.dataset.do !== "look") button.disabled = !answers;
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
    button.title = `Take back: ${vote.word}`;
    const word = document.createElement("span");
    word.textContent = vote.word;
    const image = Past.faceOf(vote).image;
    button.setAttribute("aria-label", `Take back: ${vote.word}`);
    button.append(image, word);
    const item = document.createElement("li");
    item.append(button);
    return item;
  }

  counts({ mine, left, sitting }) {
    const counts = { mine, left, sitting };
    for (const part of document.querySelectorAll("[data-count]")) {
      part.textContent = counts[part.dataset.count].toLocaleString("en");
    }
    this.progress.max = Math.max(1, mine + left);
    this.progress.value = mine;
  }

  /** The amber line: how many votes wait here; 0 takes it away. */
  unsent(count, lasting) {
    this.parts.offline.hidden = count === 0;
    const votes = count === 1 ? "1 vote" : `${count} votes`;
    const text = lasting ? `Saved here, will be sent: ${votes}.` : `Keep this page open: ${votes} will be sent.`;
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
