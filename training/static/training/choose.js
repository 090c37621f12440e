// Choosing faces for a relabel round, or runs for an ensemble: tick all of the page, and say how many are ticked.

const form = document.querySelector("[data-choose]");

if (form) {
  const boxes = [...form.querySelectorAll("input[type=checkbox]")];
  const all = form.querySelector("[data-choose-all]");
  const tickAll = all.textContent;
  const chosen = form.querySelector("[data-chosen]");
  const tell = () => {
    const count = boxes.filter((box) => box.checked).length;
    chosen.textContent = form.dataset.ticked.replace("{count}", count).replace("{faces}", boxes.length);
    all.textContent = count === boxes.length ? form.dataset.untick : tickAll;
  };
  all.addEventListener("click", () => {
    const ticked = boxes.every((box) => box.checked);
    for (const box of boxes) box.checked = !ticked;
    tell();
  });
  form.addEventListener("change", tell);
  all.hidden = chosen.hidden = false;
  tell();
}
