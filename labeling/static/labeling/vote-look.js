// Other looks at the same face: larger, with more contrast, in the whole picture, or in its second of video. The next
// face is plain again.
import { Second } from "./vote-second.js";

const LOOKS = ["zoom", "contrast", "context", "frames"];
const INSTEAD = ["context", "frames"]; // these show something else in the face's place, one at a time

export class Look {
  constructor(root, words) {
    this.frame = root.querySelector("[data-frame]");
    this.addresses = { context: root.dataset.context, frames: root.dataset.second };
    this.words = words;
    this.buttons = Object.fromEntries(LOOKS.map((look) => [look, root.querySelector(`.looks [data-do="${look}"]`)]));
  }

  /** This face is shown now, plainly. */
  face(face) {
    this.current = face;
    for (const look of LOOKS) this.#set(look, false);
    this.#end();
  }

  toggle(look) {
    if (!this.current) return;
    const on = this.buttons[look].getAttribute("aria-pressed") !== "true";
    if (INSTEAD.includes(look)) this.#instead(look, on);
    this.#set(look, on);
  }

  /** A frame on or back; false if no video is shown. */
  step(by) {
    this.second?.step(by);
    return Boolean(this.second);
  }

  #instead(look, on) {
    for (const other of INSTEAD) this.#set(other, false);
    this.#end();
    if (!on) this.frame.replaceChildren(this.current.image);
    else if (look === "context") this.frame.replaceChildren(this.#whole());
    else {
      this.second = new Second(this.#address("frames"), this.words, (text) => this.#sorry(text));
      this.frame.replaceChildren(this.second.element);
    }
  }

  #end() {
    this.second?.stop();
    this.second = null;
  }

  #set(look, on) {
    this.buttons[look].setAttribute("aria-pressed", String(on));
    this.frame.classList.toggle(`look-${look}`, on);
  }

  #address(look) {
    return this.addresses[look].replace("/0.jpg", `/${this.current.id}.jpg`);
  }

  #whole() {
    const image = new Image();
    image.alt = this.words.contextAlt;
    image.draggable = false;
    image.onerror = () => image.replaceWith(this.#sorry(this.words.noContext));
    image.src = this.#address("context");
    return image;
  }

  #sorry(text) {
    this.#end();
    const line = document.createElement("p");
    line.className = "quiet";
    line.textContent = text;
    return line;
  }
}
