// Correct a face's box in its picture: by mouse, touch and keys, with the crop as it would be.

import { inPicture } from "./media.js";

const form = document.querySelector("[data-correct]");
const canvas = document.querySelector("[data-canvas]");
const NAMES = ["x", "y", "width", "height"];
const LEAST = 8;
const HANDLE = 44; // what a finger hits, in pixels of the screen
const KNOB = 14; // what is seen of it
const CORNERS = { nw: [0, 0], ne: [1, 0], sw: [0, 1], se: [1, 1] };
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const field = (name) => form.querySelector(`[name=${name}]`);
const whole = canvas.viewBox.baseVal;
const steps = [];

function svg(tag, parent, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  parent.append(made);
  return made;
}

const editor = svg("g", canvas, {
  class: "editor", tabindex: "0", role: "group", "aria-label": form.dataset.name, "aria-describedby": "correct-how",
});
const shown = svg("rect", editor, { class: "box box-person", "vector-effect": "non-scaling-stroke" });
const handles = Object.keys(CORNERS).map((corner) => {
  const handle = svg("g", editor, { class: `handle handle-${corner}`, "data-corner": corner });
  return { corner, touch: svg("rect", handle, { class: "handle-touch" }), knob: svg("rect", handle, { class: "handle-knob", "vector-effect": "non-scaling-stroke" }) };
});

function read() {
  return Object.fromEntries(NAMES.map((name) => [name, Number(field(name).value) || 0]));
}

/** Whole pixels, inside the picture, and no smaller than a face may be. */
function sound(box) {
  const width = Math.round(Math.min(Math.max(box.width, LEAST), whole.width));
  const height = Math.round(Math.min(Math.max(box.height, LEAST), whole.height));
  return {
    x: Math.round(Math.min(Math.max(box.x, 0), whole.width - width)),
    y: Math.round(Math.min(Math.max(box.y, 0), whole.height - height)),
    width,
    height,
  };
}

/** The box with this corner there, and the opposite one where it is. */
function pulled(box, corner, point) {
  const [right, down] = CORNERS[corner];
  const [far, low] = [box.x + box.width, box.y + box.height];
  const left = right ? box.x : Math.min(point.x, far - LEAST);
  const top = down ? box.y : Math.min(point.y, low - LEAST);
  const end = right ? Math.max(point.x, box.x + LEAST) : far;
  const bottom = down ? Math.max(point.y, box.y + LEAST) : low;
  return sound({ x: left, y: top, width: end - left, height: bottom - top });
}

// ---- what is seen ----

const picture = new Image();
const preview = form.querySelector("[data-preview]");

/** What labeling.vision.crops.square cuts out. */
function square(box) {
  const side = Math.round(Math.max(box.width, box.height) * (1 + 2 * Number(form.dataset.margin)));
  const span = (centre, limit) => {
    const length = Math.max(1, Math.min(side, limit));
    return [Math.min(Math.max(0, Math.round(centre - length / 2)), limit - length), length];
  };
  return [span(box.x + box.width / 2, whole.width), span(box.y + box.height / 2, whole.height)];
}

function show() {
  const box = read();
  for (const name of NAMES) shown.setAttribute(name, box[name]);
  const unit = 1 / (canvas.getScreenCTM()?.a || 1);
  for (const { corner, touch, knob } of handles) {
    const [right, down] = CORNERS[corner];
    const at = { x: box.x + right * box.width, y: box.y + down * box.height };
    // Most of it lies outside the box, so that a small one can still be held in its middle.
    const out = (HANDLE / 2 - KNOB / 2) * unit;
    place(touch, at.x + (right ? out : -out), at.y + (down ? out : -out), HANDLE * unit);
    place(knob, at.x, at.y, KNOB * unit);
  }
  drawPreview(box);
  form.querySelector("[data-back]").disabled = !steps.length;
}

function place(part, x, y, side) {
  part.setAttribute("x", x - side / 2);
  part.setAttribute("y", y - side / 2);
  part.setAttribute("width", side);
  part.setAttribute("height", side);
}

function drawPreview(box) {
  if (!picture.complete || !picture.naturalWidth) return;
  const scale = picture.naturalWidth / whole.width;
  const [[x, width], [y, height]] = square(box);
  const across = preview.width / Math.max(width, height);
  const pen = preview.getContext("2d");
  pen.clearRect(0, 0, preview.width, preview.height);
  pen.drawImage(picture, x * scale, y * scale, width * scale, height * scale, 0, 0, width * across, height * across);
}

// ---- what is done ----

function put(box) {
  for (const name of NAMES) field(name).value = box[name];
  show();
}

function remember(box) {
  const last = steps.at(-1);
  if (!last || NAMES.some((name) => last[name] !== box[name])) steps.push(box);
}

function back() {
  const now = read();
  let before = steps.pop();
  while (before && NAMES.every((name) => before[name] === now[name])) before = steps.pop();
  if (before) put(before);
  else show();
}

let drag = null;

editor.addEventListener("pointerdown", (event) => {
  if (event.button || drag) return;
  event.preventDefault();
  editor.focus({ preventScroll: true });
  const box = read();
  const corner = event.target.closest("[data-corner]")?.dataset.corner;
  const at = inPicture(event);
  const held = corner ? { x: box.x + CORNERS[corner][0] * box.width, y: box.y + CORNERS[corner][1] * box.height } : box;
  drag = { pointer: event.pointerId, box, corner, off: { x: at.x - held.x, y: at.y - held.y } };
  editor.setPointerCapture(event.pointerId);
});
// Whoever pulls the box does not scroll; touch-action does not reach into a picture.
editor.addEventListener("touchstart", (event) => event.preventDefault(), { passive: false });
editor.addEventListener("pointermove", (event) => {
  if (drag?.pointer !== event.pointerId) return;
  const at = inPicture(event);
  const to = { x: at.x - drag.off.x, y: at.y - drag.off.y };
  put(drag.corner ? pulled(drag.box, drag.corner, to) : sound({ ...drag.box, ...to }));
});
editor.addEventListener("pointerup", (event) => {
  if (drag?.pointer !== event.pointerId) return;
  const [before, now] = [drag.box, read()];
  drag = null;
  if (NAMES.some((name) => before[name] !== now[name])) remember(before);
  show();
});
editor.addEventListener("pointercancel", () => {
  if (drag) put(drag.box);
  drag = null;
});

editor.addEventListener("keydown", (event) => {
  if (event.key === "Escape") return form.querySelector("[data-cancel]").click();
  if ((event.ctrlKey || event.metaKey) && event.key === "z") {
    event.preventDefault();
    return back();
  }
  if (event.key === "Enter") return form.requestSubmit();
  const arrow = ARROWS[event.key];
  if (!arrow || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const [right, down] = arrow.map((way) => way * (event.shiftKey ? 10 : 1));
  const box = read();
  const to = event.altKey
    ? pulled(box, "se", { x: box.x + box.width + right, y: box.y + box.height + down })
    : sound({ ...box, x: box.x + right, y: box.y + down });
  remember(box);
  put(to);
});

for (const name of NAMES) {
  field(name).addEventListener("focus", () => remember(read()));
  field(name).addEventListener("input", show);
  field(name).addEventListener("change", () => put(sound(read())));
}
form.querySelector("[data-back]").addEventListener("click", back);
for (const part of form.querySelectorAll("[data-needs-script]")) part.hidden = false;
addEventListener("resize", show);
picture.addEventListener("load", show);
picture.src = canvas.querySelector("image").href.baseVal;
canvas.classList.add("correcting");
show();
editor.focus({ preventScroll: true });
