// The vote page: a key press shows the next face at once; what was answered travels behind the scenes, in order.
import { Care } from "./vote-care.js";
import { Faces } from "./vote-faces.js";
import { Outbox, newKey } from "./vote-outbox.js";
import { Look } from "./vote-look.js";
import { Past } from "./vote-past.js";
import { Refused, SignedOut, Unreachable, post } from "./vote-post.js";
import { Reasons } from "./vote-reasons.js";
import { listenToSwipes } from "./vote-swipe.js";
import { View } from "./vote-view.js";

const AHEAD = 5; // faces held, their pictures decoded, so that the page never waits
const LOOK_AGAIN_MS = 30_000;
const LONGEST_PAUSE_MS = 15_000;

class Sitting {
  constructor(root) {
    this.addresses = root.dataset;
    this.words = JSON.parse(document.getElementById("vote-words").textContent);
    this.view = new View(root);
    this.looks = new Look(root, this.words);
    this.care = new Care(root, this.words);
    this.reasons = new Reasons(root);
    this.faces = new Faces();
    this.outbox = new Outbox(root.dataset.shelf);
    this.past = new Past(root.dataset.shelf);
    this.adopted = new Set(this.outbox.entries.filter(({ kind }) => kind === "cast")); // from before a reload
    this.mine = Number(root.dataset.mine) + this.adopted.size;
    this.left = Number(root.dataset.left);
    this.more = true; // the server may have faces we do not hold
    this.skew = 0; // server clock minus ours
    this.onItsWay = null;
    this.pumping = false;
    this.failures = 0;
    this.refresh();
    this.pump();
  }

  // ---- what the annotator does ----

  answer(button) {
    const face = this.faces.current;
    if (!face) return;
    const { answer, word } = button.dataset;
    const key = newKey();
    const took = Math.round(performance.now() - this.shownAt);
    this.outbox.add({ kind: "cast", id: face.id, answer, key, took_ms: took });
    this.past.add({ key, answer, word, id: face.id, crop: face.crop, face });
    this.count(1);
    this.view.flash(button);
    this.next(`${word}.`);
    const care = this.care.after(this.past.sitting);
    if (care) this.view.tell(care);
    this.pump();
  }

  skip(button) {
    const face = this.faces.current;
    if (!face) return;
    const { reason = "" } = button.dataset;
    this.outbox.add({ kind: "skip", id: face.id, key: newKey(), reason });
    this.left = Math.max(0, this.left - 1);
    this.view.flash(button);
    this.next(reason ? this.words.skippedBecause.replace("{reason}", reason) : this.words.skipped);
    this.pump();
  }

  undo(key = this.past.newest?.key) {
    const vote = key && this.past.remove(key);
    if (!vote) return;
    if (!this.outbox.drop(key, this.onItsWay)) this.outbox.add({ kind: "undo", id: vote.id, key });
    this.count(-1);
    this.faces.putBack(Past.faceOf(vote));
    this.show(`Taken back: ${vote.word}.`);
    this.pump();
  }

  why() {
    if (this.faces.current) this.reasons.toggle();
  }

  zoom() {
    this.looks.toggle("zoom");
  }

  contrast() {
    this.looks.toggle("contrast");
  }

  context() {
    this.looks.toggle("context");
  }

  look() {
    this.more = true;
    this.view.loading("Looking for faces …");
    this.pump();
  }

  // ---- what is shown ----

  next(said) {
    this.faces.next(Date.now() + this.skew);
    this.show(said);
  }

  show(said) {
    const face = this.faces.current;
    this.shownAt = performance.now();
    this.looks.face(face);
    this.reasons.toggle(false);
    if (face) this.view.face(face);
    else if (this.more || this.outbox.length) this.view.loading(this.failures ? "No connection. Trying again …" : "Fetching faces …");
    else this.rest();
    this.refresh();
    if (said) this.view.say(face ? `${said} Next face.` : said);
  }

  rest() {
    this.view.done();
    clearTimeout(this.again);
    this.again = setTimeout(() => { if (!this.faces.current) { this.more = true; this.pump(); } }, LOOK_AGAIN_MS);
  }

  refresh() {
    this.view.enable({ answers: Boolean(this.faces.current), undo: Boolean(this.past.newest) });
    this.care.show(this.past.sitting);
    this.view.lastThree(this.past.lastThree);
    this.view.counts({ mine: this.mine, left: this.left, sitting: this.past.sitting });
    this.view.unsent(this.failures ? this.outbox.length : 0, this.outbox.lasting);
  }

  count(step) {
    this.mine += step;
    this.left = Math.max(0, this.left - step);
  }

  // ---- what travels ----

  /** Send what waits, one after another, then fetch faces if few are held. Only ever one request at a time:
      so no answer of the server can be older than what it says of a face. */
  async pump() {
    if (this.pumping) return;
    this.pumping = true;
    clearTimeout(this.retry);
    try {
      while (this.outbox.length || this.hungry) await (this.outbox.length ? this.send(this.outbox.first) : this.fetch());
    } catch (problem) {
      this.stumble(problem);
    } finally {
      this.pumping = false;
    }
    if (!this.failures && !this.stopped) this.settle();
  }

  get hungry() {
    return this.more && this.faces.held < AHEAD && !this.stopped;
  }

  async send(entry) {
    this.onItsWay = entry;
    try {
      const { kind, id, answer, key, took_ms, reason } = entry;
      const body = { cast: { id, answer, key, took_ms, want: this.want }, skip: { id, reason }, undo: { key } }[kind];
      const reply = await post(this.addresses[kind], body, this.addresses.csrf);
      this.outbox.remove(entry);
      if (reply.again && this.adopted.has(entry)) this.mine -= 1; // the page counted it when it was made
      this.arrived(reply);
    } catch (problem) {
      if (!(problem instanceof Refused)) throw problem;
      this.outbox.remove(entry);
      this.refused(entry, problem);
    } finally {
      this.onItsWay = null;
    }
  }

  async fetch() {
    try {
      const reply = await post(this.addresses.next, { limit: this.want }, this.addresses.csrf);
      this.more = false; // unless it brought something new
      this.arrived(reply);
    } catch (problem) {
      if (!(problem instanceof Refused)) throw problem;
      this.more = false;
      this.view.done({ title: "No faces just now", text: problem.message });
      this.stopped = true;
    }
  }

  /** Leases are given out "up to so many in all": those whose votes still wait here count among them. */
  get want() {
    return AHEAD + Math.max(0, this.outbox.length - 1);
  }

  arrived(reply) {
    this.failures = 0;
    if (reply.faces) {
      const fresh = this.faces.take(reply.faces, (id) => this.outbox.holds(id));
      if (fresh) this.more = true;
    }
    if (!this.faces.current && this.faces.waiting.length) this.next();
    else this.refresh();
  }

  refused(entry, { message }) {
    const vote = entry.kind === "cast" ? this.past.remove(entry.key) : undefined;
    if (entry.kind === "cast") this.mine -= 1;
    if (entry.kind === "undo") {
      this.mine += 1;
      this.faces.forget(entry.id);
    }
    this.view.tell(vote ? `Your answer “${vote.word}” was not counted. ${message}` : message);
    this.more = true;
    if (!this.faces.current) this.next();
    else this.refresh();
  }

  settle() {
    if (!this.faces.current) this.next();
  }

  stumble(problem) {
    if (problem instanceof SignedOut) {
      this.stopped = true;
      this.view.tell("You are signed out. What you answered waits here.", { href: this.addresses.signin, text: "Sign in again" });
      return;
    }
    if (!(problem instanceof Unreachable)) throw problem;
    this.failures += 1;
    const pause = Math.min(LONGEST_PAUSE_MS, 500 * 2 ** this.failures);
    this.retry = setTimeout(() => this.pump(), pause);
    if (this.faces.current) this.refresh();
    else this.show();
  }
}

function listen(root, sitting) {
  const keys = new Map([...root.querySelectorAll(".stage [data-key], .panel [data-key]")].map((button) => [button.dataset.key, button]));
  keys.set("Backspace", root.querySelector('.panel [data-do="undo"]'));
  const press = (button) => {
    if (button.dataset.answer) sitting.answer(button);
    else sitting[button.dataset.do](button.dataset.do === "undo" ? undefined : button);
  };
  root.addEventListener("click", (event) => {
    const button = event.target.closest("[data-answer], [data-do], [data-take-back]");
    if (button?.dataset.takeBack) sitting.undo(button.dataset.takeBack);
    else if (button) press(button);
  });
  document.addEventListener("keydown", (event) => {
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") return sitting.reasons.toggle(false);
    // On keyboards whose digits need Shift the key says "&", its place says Digit1.
    const button = sitting.reasons.button(event) ?? keys.get(event.key) ?? keys.get(event.key.toLowerCase()) ?? keys.get(event.code.replace("Digit", ""));
    if (!button) return;
    event.preventDefault();
    const asksWhy = event.shiftKey && button.dataset.do === "skip" && !button.dataset.reason;
    if (asksWhy) sitting.why();
    else press(button);
  });
  listenToSwipes(root.querySelector("[data-frame]"), () => sitting.past.newest, () => {
    sitting.undo();
    sitting.view.returned();
  });
  addEventListener("online", () => sitting.pump());
}

const root = document.querySelector("[data-vote]");
listen(root, new Sitting(root));
