// The gallery under hand: tiles are ticked by click, in rows with Shift, and by keys.

const form = document.querySelector(".gallery-form");
const tiles = form ? [...form.querySelectorAll(".tile")] : [];
const boxOf = (tile) => tile.querySelector(".tile-check");
const linkOf = (tile) => tile.querySelector("a");
let anchor = 0;

/** Say how many are selected, and let "all" end when one is ticked by hand. */
function tell() {
  const all = form.querySelector("[name=all]");
  const ticked = tiles.filter((tile) => boxOf(tile).checked).length;
  form.querySelector("[data-count]").textContent = all.checked ? all.dataset.all : ticked.toLocaleString(document.documentElement.lang);
}

/** Tick one tile, or with Shift all from the last one ticked up to it. */
function tick(index, on, through) {
  const [first, last] = through ? [Math.min(anchor, index), Math.max(anchor, index)] : [index, index];
  for (let n = first; n <= last; n += 1) boxOf(tiles[n]).checked = on;
  anchor = index;
  tell();
}

/** Tab leads to one tile of the grid; the arrows walk from there. */
function stand(index) {
  for (const [n, tile] of tiles.entries()) linkOf(tile).tabIndex = n === index ? 0 : -1;
}

/** Tiles in one row of the grid: those as high as the first. */
function across() {
  const top = tiles[0].offsetTop;
  const next = tiles.findIndex((tile) => tile.offsetTop > top);
  return next < 0 ? tiles.length : next;
}

function walk(event, index) {
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across(), ArrowDown: across() };
  const to = { Home: 0, End: tiles.length - 1 }[event.key] ?? index + steps[event.key];
  if (!(to in tiles)) return;
  event.preventDefault();
  if (event.shiftKey) tick(to, true, true);
  stand(to);
  linkOf(tiles[to]).focus();
}

function onKey(event) {
  const index = tiles.indexOf(event.target.closest(".tile"));
  if (index < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.key.startsWith("Arrow") || event.key === "Home" || event.key === "End") walk(event, index);
  else if (event.key === " ") {
    event.preventDefault();
    tick(index, event.shiftKey || !boxOf(tiles[index]).checked, event.shiftKey);
  }
}

/** A click opens a face; with Shift, or once something is selected, it ticks instead. */
function onClick(event) {
  const index = tiles.indexOf(event.target.closest(".tile"));
  if (index < 0 || event.ctrlKey || event.metaKey) return;
  const box = boxOf(tiles[index]);
  if (event.target === box) return tick(index, box.checked, event.shiftKey && box.checked);
  // Of a click that a key made on a link (Enter) there is no detail: it opens.
  if (!event.detail || !(event.shiftKey || tiles.some((tile) => boxOf(tile).checked))) return;
  event.preventDefault();
  tick(index, event.shiftKey || !box.checked, event.shiftKey);
}

function select() {
  const grid = form.querySelector("[data-tiles]");
  tiles.forEach((tile) => { boxOf(tile).tabIndex = -1; });
  stand(0);
  grid.addEventListener("keydown", onKey);
  grid.addEventListener("click", onClick);
  grid.addEventListener("focusin", (event) => {
    const index = tiles.indexOf(event.target.closest(".tile"));
    if (index >= 0) stand(index);
  });
  form.querySelector("[name=all]").addEventListener("change", tell);
  form.addEventListener("reset", () => setTimeout(tell));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") form.reset();
  });
  // A page shown again from the browser's memory may come with ticks.
  window.addEventListener("pageshow", tell);
  tell();
}

/** Where there is room beside the faces, the filters are open. */
function fold() {
  const side = document.querySelector("[data-folds]");
  const wide = matchMedia("(min-width: 801px)");
  const follow = () => { side.open = wide.matches; };
  wide.addEventListener("change", follow);
  follow();
}

/** What is not filtered by stays out of the address. */
function shorten() {
  document.querySelector(".gallery-filters").addEventListener("formdata", ({ formData }) => {
    for (const [name, value] of [...formData]) if (value === "") formData.delete(name);
  });
}

if (tiles.length && boxOf(tiles[0])) select();
fold();
shorten();
