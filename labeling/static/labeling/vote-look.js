// Other looks at the same face: larger, with more contrast, or in the whole picture. The next face is plain again.

const LOOKS = ["zoom", "contrast", "context"];

export class Look {
  constructor(root, words) {
    this.frame = root.querySelector("[data-frame]");
    this.address = root.dataset.context;
    this.words = words;
    this.buttons = Object.fromEntries(LOOKS.map((look) => [look, root.querySelector(`[data-do="${look}"]`)]));
  }

  /** This face is shown now, plainly. */
  face(face) {
    this.current = face;
    for (const look of LOOKS) this.#set(look, false);
  }

  toggle(look) {
    if (!this.current) return;
    const on = this.buttons[look].getAttribute("aria-pressed") !== "true";
    this.#set(look, on);
    if (look === "context") this.frame.replaceChildren(on ? this.#whole(this.current) : this.current.image);
  }

  #set(look, on) {
    this.buttons[look].setAttribute("aria-pressed", String(on));
    this.frame.classList.toggle(`look-${look}`, on);
  }

  #whole({ id }) {
    const image = new Image();
    image.alt = this.words.contextAlt;
    image.draggable = false;
    image.onerror = () => image.replaceWith(this.#sorry());
    image.src = this.address.replace("/0.jpg", `/${id}.jpg`);
    return image;
  }

  #sorry() {
    const line = document.createElement("p");
    line.className = "quiet";
    line.textContent = this.words.noContext;
    return line;
  }
}
