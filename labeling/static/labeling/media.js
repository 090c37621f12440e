// A face and its box in the picture belong together: whichever is pointed at, both light up.

const parts = [...document.querySelectorAll("[data-face]")];

function light(event) {
  const face = event.target.closest("[data-face]")?.dataset.face;
  for (const part of parts) part.classList.toggle("lit", part.dataset.face === face);
}

for (const kind of ["pointerover", "focusin"]) document.addEventListener(kind, light);
