// A face and its box in the picture belong together: whichever is pointed at, both light up. A missing face is drawn.

const parts = [...document.querySelectorAll("[data-face]")];

function light(event) {
  const face = event.target.closest("[data-face]")?.dataset.face;
  for (const part of parts) part.classList.toggle("lit", part.dataset.face === face);
}

for (const kind of ["pointerover", "focusin"]) document.addEventListener(kind, light);

const canvas = document.querySelector("[data-canvas]");
const draw = document.querySelector("[data-draw]");

/** A point of the screen in pixels of the picture, inside it. */
export function inPicture(event) {
  const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(canvas.getScreenCTM().inverse());
  const { width, height } = canvas.viewBox.baseVal;
  return { x: Math.min(width, Math.max(0, point.x)), y: Math.min(height, Math.max(0, point.y)) };
}

/** The box between two corners goes into the form, and what is in the form is drawn. */
function drawing() {
  const numbers = ["x", "y", "width", "height"];
  const field = (name) => draw.querySelector(`[name=${name}]`);
  const shown = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  shown.setAttribute("class", "box box-person");
  shown.setAttribute("vector-effect", "non-scaling-stroke");
  let corner = null;

  function show() {
    for (const name of numbers) shown.setAttribute(name, field(name).value || 0);
  }

  function span(one, other) {
    const left = Math.min(one.x, other.x);
    const top = Math.min(one.y, other.y);
    const box = { x: left, y: top, width: Math.abs(one.x - other.x), height: Math.abs(one.y - other.y) };
    for (const name of numbers) field(name).value = Math.round(box[name]);
    show();
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (!draw.open || event.button) return;
    event.preventDefault();
    corner = inPicture(event);
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => { if (corner) span(corner, inPicture(event)); });
  canvas.addEventListener("pointerup", () => { corner = null; });
  canvas.addEventListener("pointercancel", () => { corner = null; });
  // The boxes that are there are links, which a browser would drag or follow.
  canvas.addEventListener("click", (event) => { if (draw.open) event.preventDefault(); });
  canvas.addEventListener("dragstart", (event) => event.preventDefault());
  draw.addEventListener("input", show);
  draw.addEventListener("toggle", () => {
    canvas.classList.toggle("drawing", draw.open);
    if (draw.open) canvas.append(shown);
    else shown.remove();
  });
}

if (canvas && draw) drawing();
