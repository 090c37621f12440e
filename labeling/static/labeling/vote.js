// The vote page: a key press shows the next face at once; what was answered travels behind the scenes, in order.
import { Care } from "./vote-care.js";
import { Faces } from "./vote-faces.js";
import { Outbox, newKey } from "./vote-outbox.js";
import { Look } from "./vote-look.js";
import { Mixed } from "./vote-mixed.js";
import { Past } from "./vote-past.js";
import { Refused, SignedOut, Unreachable, post } from "./vote-post.js";
import { Reasons } from "./vote-reasons.js";
import { listenToSwipes } from "./vote-swipe.js";
import { View } from "./vote-view.js";
import { fill } from "./vote-words.js";

const AHEAD = 8; // faces held, their pictures decoded, so that the page never waits
const FEW = 4; // with fewer, more are asked for: several at once cost the server hardly more than one
const LOOK_AGAIN_MS = 30_000;
const LONGEST_PAUSE_MS = 15_000;
const FORGET_EVERY_MS = 20_000;

class Sitting {
  constructor(root) {
    this.addresses = root.dataset;
    this.words = JSON.parse(document.getElementById("vote-words").textContent);
    this.view = new View(root, this.words);
    this.looks = new Look(root, this.words);
    this.mixing = new Mixed(root, this.words);
    this.care = new Care(root, this.words);
    this.reasons = new Reasons(root);
    this.faces = new Faces();
    this.outbox = new Outbox(root.dataset.shelf);
    this.past = new Past(root.dataset.shelf, Number(root.dataset.undoMinutes));
    this.adopted = new Set(this.outbox.entries.filter(({ kind }) => kind === "cast")); // from before a reload
    this.mine = Number(root.dataset.mine) + this.adopted.size;
    this.left = Math.max(0, Number(root.dataset.left) - this.adopted.size);
    this.more = true; // the server may have faces we do not hold
    this.skew = 0; // server clock minus ours
    this.onItsWay = null;
    this.pumping = false;
    this.failures = 0;
    this.refresh();
    this.pump();
    setInterval(() => this.forget(), FORGET_EVERY_MS);
  }

  // ---- what the annotator does ----

  answer(button) {
    const face = this.faces.current;
    if (!face || !this.mixing.takes(button)) return;
    const given = this.mixing.answer(button);
    if (!given) {
      this.view.say(this.mixing.text.textContent);
      return this.refresh();
    }
    const { answer, second, word } = given;
    this.hint(); // it lies over the answers: who answers by key has no more need of it
    const key = newKey();
    const took = Math.round(performance.now() - this.shownAt);
    this.outbox.add({ kind: "cast", id: face.id, answer, second, key, took_ms: took });
    this.past.add({ key, answer, word, id: face.id, crop: face.crop, face });
    this.count(1);
    this.view.flash(button);
    this.next(fill(this.words.answered, { answer: word }));
    const care = this.care.after(this.past.sitting);
    if (care) this.view.tell(care);
    this.pump();
  }

  skip(button) {
    const face = this.faces.current;
    if (!face) return;
    const { reason = "", word } = button.dataset;
    this.outbox.add({ kind: "skip", id: face.id, key: newKey(), reason });
    this.left = Math.max(0, this.left - 1);
    this.view.flash(button);
    this.next(reason ? fill(this.words.skippedBecause, { reason: word }) : this.words.skipped);
    this.pump();
  }

  undo(key = this.past.newest?.key) {
    this.past.forget(Date.now());
    const vote = key && this.past.remove(key);
    if (!vote) return;
    if (!this.outbox.drop(key, this.onItsWay)) this.outbox.add({ kind: "undo", id: vote.id, key });
    this.count(-1);
    this.stopped = false;
    this.more = true;
    this.faces.putBack(Past.faceOf(vote));
    this.show(fill(this.words.takenBack, { answer: vote.word }));
    this.pump();
  }

  /** Whatever was begun for this face is not wanted after all. */
  leave() {
    this.hint();
    this.reasons.toggle(false);
    this.mix(false);
  }

  /** What there is to know has been read. */
  hint() {
    const panel = document.querySelector("[data-hint]");
    if (panel.open && panel.contains(document.activeElement)) panel.querySelector("summary").focus();
    panel.open = false;
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

  frames() {
    this.looks.toggle("frames");
  }

  earlier() {
    this.looks.step(-1);
  }

  later() {
    this.looks.step(1);
  }

  mixed() {
    if (this.faces.current) this.mix();
  }

  /** Begin an answer of two expressions, or leave it. */
  mix(on) {
    const before = this.mixing.on;
    this.mixing.toggle(on);
    if (this.mixing.on !== before) this.view.say(this.mixing.on ? this.words.mixedFirst : this.words.mixedOver);
    this.refresh();
  }

  look() {
    this.more = true;
    this.stopped = false;
    this.view.loading(this.words.looking);
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
    this.mixing.toggle(false);
    if (face) this.view.face(face);
    else if (this.more || this.outbox.length) this.view.loading(this.failures ? this.words.noConnection : this.words.fetching);
    else this.rest();
    this.refresh();
    if (said) this.view.say(face ? fill(this.words.nextFace, { said }) : said);
  }

  rest() {
    this.view.done();
    clearTimeout(this.again);
    this.again = setTimeout(() => { if (!this.faces.current) { this.more = true; this.pump(); } }, LOOK_AGAIN_MS);
  }

  refresh() {
    this.view.enable({ answers: Boolean(this.faces.current), undo: Boolean(this.past.newest), takes: (button) => this.mixing.takes(button) });
    this.care.show(this.past.sitting);
    this.view.lastThree(this.past.lastThree);
    this.view.counts({ mine: this.mine, left: this.left, sitting: this.past.sitting });
    this.view.unsent(this.failures ? this.outbox.length : 0, this.outbox.lasting);
  }

  /** What is too old to be taken back leaves the strip. */
  forget() {
    if (this.past.forget(Date.now())) this.refresh();
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
    return this.more && this.faces.held < FEW && !this.stopped;
  }

  async send(entry) {
    this.onItsWay = entry;
    try {
      const { kind, id, answer, second, key, took_ms, reason } = entry;
      const want = this.faces.held < FEW ? this.want : 0;
      const body = { cast: { id, answer, second, key, took_ms, want }, skip: { id, reason }, undo: { key } }[kind];
      const reply = await post(this.addresses[kind], body, this.addresses.csrf);
      this.outbox.remove(entry);
      if (reply.again && this.adopted.has(entry)) this.count(-1); // the page counted it when it was made
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
      this.stopped = true;
      this.view.done({ title: this.words.enough[problem.code] ?? this.words.noFaces, text: problem.message, forGood: true });
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
      if (fresh || reply.ask) this.more = true;
    }
    if (!this.faces.current && this.faces.waiting.length) this.next();
    else this.refresh();
  }

  refused(entry, problem) {
    const message = problem.message || this.words.refused;
    const vote = entry.kind === "cast" ? this.past.remove(entry.key) : undefined;
    if (entry.kind === "cast") this.mine -= 1;
    if (entry.kind === "undo") {
      this.count(1);
      this.past.stands();
      this.faces.forget(entry.id);
    }
    this.view.tell(vote ? fill(this.words.notCounted, { answer: vote.word, why: message }) : message);
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
      this.view.tell(this.words.signedOut, { href: this.addresses.signin, text: this.words.signIn });
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
  keys.delete(""); // answers for which no key was left
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
    if (event.key === "Escape") return sitting.leave();
    if (event.key === "Enter" && event.target === document.body) return sitting.hint();
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by && sitting.looks.step(by)) return event.preventDefault();
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
