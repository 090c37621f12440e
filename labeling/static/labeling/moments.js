// Step through a video: by the slider, by the buttons beside it, by the keys , and . as in players.

const form = document.querySelector("[data-moments]");
const slider = form.querySelector("[name=at]");
const now = form.querySelector("output");
const draw = document.querySelector("[data-draw]");
const kept = "vemo-moments";

/** 83400 → 1:23.4, as the page writes it. */
function clock(milliseconds) {
  const tenths = Math.floor(milliseconds / 100);
  const [seconds, minutes, hours] = [Math.floor(tenths / 10) % 60, Math.floor(tenths / 600) % 60, Math.floor(tenths / 36000)];
  const two = (number) => String(number).padStart(2, "0");
  return `${hours ? `${hours}:${two(minutes)}` : minutes}:${two(seconds)}.${tenths % 10}`;
}

/** The page of the other moment is scrolled as far, has the same thing focused, and the same form open. */
function remember() {
  const focused = document.activeElement;
  const what = focused === slider ? "slider" : focused?.dataset?.step;
  sessionStorage.setItem(kept, JSON.stringify({ page: location.pathname, what, draw: Boolean(draw?.open), down: scrollY }));
}

function restore() {
  const before = JSON.parse(sessionStorage.getItem(kept) || "{}");
  sessionStorage.removeItem(kept);
  if (before.page !== location.pathname) return;
  if (draw && before.draw) draw.open = true;
  const focused = before.what === "slider" ? slider : form.querySelector(`[data-step="${before.what}"]`);
  focused?.focus({ preventScroll: true });
  scrollTo(0, before.down);
}

function step(way) {
  remember();
  location.assign(form.querySelector(`[data-step="${way}"]`).href);
}

for (const link of form.querySelectorAll("[data-step]")) link.addEventListener("click", remember);

if (slider) {
  // Its own steps would be thousandths of a second.
  slider.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (["ArrowLeft", "ArrowDown"].includes(event.key)) step("before");
    else if (["ArrowRight", "ArrowUp"].includes(event.key)) step("after");
    else return;
    event.preventDefault();
  });
  slider.addEventListener("input", () => {
    now.value = clock(Number(slider.value));
    slider.setAttribute("aria-valuetext", now.value);
  });
  slider.addEventListener("change", () => {
    remember();
    form.requestSubmit();
  });
  form.querySelector("[data-go]").hidden = true;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input:not([type=range]), textarea, select")) return;
  if (event.key === ",") step("before");
  else if (event.key === ".") step("after");
});

restore();
