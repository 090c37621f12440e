// Five frames of a video around the face, from one picture in which they lie side by side.

const FACE = 2; // the frame the face was cut from
const FRAMES = 5;
const STEP_MS = 220;

export class Second {
  constructor(address, words, sorry) {
    this.words = words;
    this.at = FACE;
    this.element = document.createElement("div");
    this.element.className = "second";
    this.element.setAttribute("role", "group");
    this.element.setAttribute("aria-label", words.second);
    this.moment = Object.assign(document.createElement("span"), { className: "moment" });
    this.moment.setAttribute("role", "status");
    this.dots = Array.from({ length: FRAMES }, () => document.createElement("i"));
    this.dots[FACE].className = "own";
    const dots = Object.assign(document.createElement("span"), { className: "dots" });
    dots.append(...this.dots);
    const steps = Object.assign(document.createElement("div"), { className: "steps" });
    this.earlier = this.#button("earlier", "‹");
    this.later = this.#button("later", "›");
    const middle = Object.assign(document.createElement("span"), { className: "where" });
    middle.append(dots, this.moment);
    steps.append(this.earlier, middle, this.later);
    this.strip = Object.assign(new Image(), { alt: "", draggable: false, src: address });
    this.strip.onerror = () => this.element.replaceWith(sorry(words.noSecond));
    this.strip.onload = () => this.#play();
    const window = Object.assign(document.createElement("div"), { className: "window" });
    window.append(this.strip);
    this.element.append(window, steps);
    this.#show(FACE);
  }

  /** One frame on or back, by hand: nothing moves by itself any more. */
  step(by) {
    clearInterval(this.playing);
    this.#show(this.at + by);
  }

  stop() {
    clearInterval(this.playing);
  }

  /** Once through, then back to the face; not for who wants no motion. */
  #play() {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const order = [0, 1, 2, 3, 4, FACE];
    this.playing = setInterval(() => {
      this.#show(order.shift());
      if (!order.length) clearInterval(this.playing);
    }, STEP_MS);
  }

  #show(at) {
    this.at = Math.max(0, Math.min(FRAMES - 1, at));
    this.element.dataset.at = this.at;
    this.moment.textContent = this.words.moments[this.at];
    this.dots.forEach((dot, n) => dot.classList.toggle("here", n === this.at));
    this.earlier.disabled = this.at === 0;
    this.later.disabled = this.at === FRAMES - 1;
  }

  #button(name, sign) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: sign });
    button.dataset.do = name;
    button.setAttribute("aria-label", this.words[name]);
    return button;
  }
}
