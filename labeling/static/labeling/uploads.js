// The drop zone of a new source: what is dropped is sent at once, in pieces, and goes on after a cut or another day.

import { fromDrop, fromInput } from "./upload-find.js";
import { Queue, isSmall } from "./upload-queue.js";
import { batches, filesOf, removeBatch } from "./upload-send.js";

const place = document.querySelector("[data-uploads]");
const form = place.closest("form");
const api = place.dataset.uploads;
const csrf = form.querySelector("[name=csrfmiddlewaretoken]").value;
const field = form.querySelector("[name=batch]");
const language = document.documentElement.lang;
const part = (name) => place.querySelector(`[data-part=${name}]`);
const words = part("words").dataset;

const MEMORY = "vemo-upload";
const ROWS = 60;
const WINDOW_MS = 20_000;
const SHOW_MS = 250;
const SAY_MS = 30_000;

/* ---- words ---- */

const filled = (sentence, values) => sentence.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
const counted = (number) => number.toLocaleString(language);

function inUnits(value, unit, digits = 0) {
  return new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "short", maximumFractionDigits: digits }).format(value);
}

function bytesSaid(bytes) {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  const step = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log(bytes) / Math.log(1000)));
  return inUnits(bytes / 1000 ** step, units[step], step > 1 ? 1 : 0);
}

function timeSaid(seconds) {
  if (seconds < 90) return inUnits(Math.max(1, Math.round(seconds)), "second");
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return inUnits(minutes, "minute");
  return `${inUnits(Math.floor(minutes / 60), "hour")} ${inUnits(minutes % 60, "minute")}`;
}

/* ---- what this browser remembers of a batch: how much it is in all, and the date of large files ---- */

function remembered() {
  try {
    return JSON.parse(localStorage.getItem(MEMORY)) ?? {};
  } catch {
    return {};
  }
}

function remember() {
  const large = [...queue.items.values()].filter((item) => !isSmall(item) && item.file && item.state !== "done");
  const dates = Object.fromEntries(large.map(({ path, file }) => [path, file.lastModified]));
  const { files, failed, bytes } = queue.figures();
  try {
    localStorage.setItem(MEMORY, JSON.stringify({ batch: queue.batch, files: Math.max(files - failed, expected.files), bytes, dates: { ...expected.dates, ...dates } }));
  } catch {
    // No room, or not allowed: files are known again by path and length alone.
  }
}

function newBatch() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/* ---- state ---- */

let queue = null;
let expected = { files: 0, dates: {} };
let armed = false;
let chosenHere = false;
let leftOut = 0;
let samples = [];
let showing = null;
let saidAt = 0;
let was = "";

function begin(batch) {
  queue = new Queue({ api, csrf, batch, most: Number(place.dataset.most), words, changed: showSoon });
  field.value = batch;
}

/** What an earlier page began: its files, and how many this browser knows are still missing. */
async function goOn(batch) {
  const known = remembered();
  expected = known.batch === batch ? { files: known.files, dates: known.dates ?? {} } : { files: 0, dates: {} };
  begin(batch);
  queue.adopt(await filesOf(api, batch));
  part("earlier").replaceChildren();
  show();
}

const missing = () => (queue ? Math.max(queue.figures().lost, expected.files - queue.figures().files + queue.figures().lost) : 0);

async function discard(batch) {
  queue?.pause();
  await removeBatch(api, batch, { csrf }).catch(() => {});
  localStorage.removeItem(MEMORY);
  queue = null;
  field.value = "";
  armed = false;
  chosenHere = false;
  leftOut = 0;
  expected = { files: 0, dates: {} };
  await offerEarlier();
  show();
}

function take({ files, left }) {
  leftOut += left;
  if (!files.length) return showSoon();
  chosenHere = true;
  if (!queue) begin(newBatch());
  const isSame = (item, file) => !(item.path in expected.dates) || expected.dates[item.path] === file.lastModified;
  queue.add(files, isSame);
  remember();
  if (queue.paused) queue.resume();
  return undefined;
}

/** Batches that no page of this browser goes on with by itself. */
async function offerEarlier() {
  const known = await batches(api).catch(() => []);
  const list = known.map((batch) => {
    const row = part("earlier-row").content.cloneNode(true);
    const date = new Date(batch.begun_at).toLocaleString(language, { dateStyle: "medium", timeStyle: "short" });
    const values = { files: counted(batch.files), bytes: bytesSaid(batch.bytes), received: bytesSaid(batch.received), date };
    row.querySelector("[data-say]").textContent = filled(words.earlier, values);
    row.querySelector("[data-go]").addEventListener("click", () => goOn(batch.batch));
    row.querySelector("[data-discard]").addEventListener("click", () => discard(batch.batch));
    return row;
  });
  part("earlier").replaceChildren(...list);
}

/* ---- showing ---- */

function showSoon() {
  showing ??= setTimeout(() => { showing = null; show(); }, SHOW_MS);
}

/** Bytes a second of the last seconds; null while that is not known. */
function speed(sent) {
  const now = performance.now();
  samples.push({ now, sent });
  samples = samples.filter((sample) => now - sample.now < WINDOW_MS);
  const first = samples[0];
  return now - first.now > 1500 && sent > first.sent ? (1000 * (sent - first.sent)) / (now - first.now) : null;
}

function say(sentence) {
  part("status").textContent = sentence;
  saidAt = performance.now();
}

/** What people with a screen reader hear: each change of state, and now and then how far it is. */
function tell(state, figures) {
  const share = figures.bytes ? Math.floor((100 * figures.sent) / figures.bytes) : 100;
  if (state !== was) {
    say(part("line").textContent);
    remember();
  } else if (figures.running && performance.now() - saidAt > SAY_MS) say(`${share} %`);
  was = state;
}

function stateOf(figures) {
  if (queue.trouble) return "trouble";
  if (queue.paused && figures.running) return "paused";
  if (figures.running) return figures.away ? "away" : "running";
  if (missing()) return "missing";
  return figures.failed ? "failed" : "done";
}

function lineOf(state, figures) {
  const values = {
    files: counted(figures.files),
    done: counted(figures.done),
    bytes: bytesSaid(figures.bytes),
    sent: bytesSaid(figures.sent),
    failed: counted(figures.failed),
    missing: counted(missing()),
  };
  return state === "trouble" ? queue.trouble : filled(words[state], values);
}

function show() {
  part("run").hidden = !queue || !(queue.items.size || missing());
  if (!queue) return;
  const figures = queue.figures();
  const state = stateOf(figures);
  part("run").dataset.state = state;
  part("line").textContent = lineOf(state, figures);
  const bar = part("bar");
  bar.max = figures.bytes || 1;
  bar.value = figures.running || missing() ? figures.sent : bar.max;
  const rate = state === "running" ? speed(figures.sent) : null;
  if (state !== "running") samples = [];
  part("rate").textContent = state === "running" ? rateSaid(rate, figures) : "";
  part("left-out").textContent = leftOut ? filled(words.leftOut, { count: counted(leftOut) }) : "";
  part("zips").hidden = !(figures.files > 1 && [...queue.items.keys()].some((path) => /\.zip$/i.test(path)));
  part("pause").hidden = queue.paused || !figures.running;
  part("resume").hidden = !queue.paused || !figures.running;
  part("without").hidden = state !== "missing" || !figures.done;
  part("retry-all").hidden = figures.failed < 2;
  part("armed").hidden = !armed || state === "done";
  showRows();
  tell(state, figures);
  if (state === "done") finish();
}

function rateSaid(rate, figures) {
  if (rate === null) return words.rateUnknown;
  return filled(words.rate, { speed: bytesSaid(rate), time: timeSaid((figures.bytes - figures.sent) / rate) });
}

const rows = new Map();
const ORDER = { failed: 0, sending: 1, lost: 2, waiting: 3, done: 4 };

/** Large files have a row each, as have those that failed; the small ones share one. */
function showRows() {
  const isShown = (item) => item.state === "failed" || !isSmall(item) || (item.url && item.state !== "done");
  const shown = [...queue.items.values()].filter(isShown);
  shown.sort((one, other) => ORDER[one.state] - ORDER[other.state]);
  const top = shown.slice(0, ROWS);
  for (const [item, row] of rows) {
    if (!top.includes(item)) {
      row.remove();
      rows.delete(item);
    }
  }
  const list = part("list");
  top.forEach((item, n) => {
    const row = rows.get(item) ?? makeRow(item);
    rows.set(item, row);
    if (list.children[n] !== row) list.insertBefore(row, list.children[n] ?? null);
    fillRow(row, item);
  });
  const rest = queue.items.size - shown.length;
  const done = [...queue.items.values()].filter((item) => item.state === "done" && isSmall(item)).length;
  part("small").textContent = rest ? filled(words.small, { count: counted(rest), done: counted(done) }) : "";
}

function makeRow(item) {
  const row = part("row").content.firstElementChild.cloneNode(true);
  row.querySelector("[data-name]").textContent = item.path;
  row.querySelector("progress").setAttribute("aria-label", item.path);
  const [retry, forget] = [row.querySelector("[data-retry]"), row.querySelector("[data-forget]")];
  retry.setAttribute("aria-label", `${retry.textContent}: ${item.path}`);
  forget.setAttribute("aria-label", `${forget.textContent}: ${item.path}`);
  retry.addEventListener("click", () => queue.retry(item));
  forget.addEventListener("click", () => {
    expected.files = Math.max(0, expected.files - 1);
    queue.forget(item);
  });
  return row;
}

function fillRow(row, item) {
  row.dataset.state = item.state;
  row.querySelector("[data-size]").textContent = item.state === "sending"
    ? `${bytesSaid(item.sent)} / ${bytesSaid(item.bytes)}` : bytesSaid(item.bytes);
  row.querySelector("[data-said]").textContent = item.state === "failed" ? item.error : words[`is${item.state}`] ?? "";
  const bar = row.querySelector("progress");
  bar.max = item.bytes || 1;
  bar.value = item.state === "done" ? bar.max : item.sent;
  row.querySelector("[data-retry]").hidden = item.state !== "failed" || !item.file;
}

/* ---- the form ---- */

const isBusy = () => queue && (queue.figures().running || missing() > 0 || queue.figures().failed > 0);

function finish() {
  remember();
  if (armed) {
    armed = false;
    localStorage.removeItem(MEMORY);
    form.requestSubmit();
  }
}

/** Whether the form names another place that the source is to be made of. */
function asksElsewhere() {
  const filled = new FormData(form);
  return place.dataset.elsewhere.split(" ").some((name) => filled.getAll(name).some((value) => value.trim()));
}

form.addEventListener("submit", (event) => {
  const elsewhere = asksElsewhere();
  // What is still on its way, or was left by an earlier page, waits there for a source of its own. Files chosen here
  // beside another place are sent with it: the server says that only one of them can be.
  field.disabled = elsewhere && Boolean(isBusy() || !chosenHere);
  if (field.disabled) return undefined;
  if (!isBusy()) return localStorage.removeItem(MEMORY);
  event.preventDefault();
  armed = true;
  if (queue.paused) queue.resume();
  show();
  place.scrollIntoView({ block: "nearest" });
  return undefined;
});

window.addEventListener("beforeunload", (event) => {
  if (queue?.figures().running) event.preventDefault();
});

/* ---- the zone ---- */

const zone = part("zone");
let over = 0;

for (const kind of ["dragenter", "dragleave", "drop"]) {
  zone.addEventListener(kind, () => {
    over = kind === "drop" ? 0 : over + (kind === "dragenter" ? 1 : -1);
    zone.classList.toggle("drop-over", over > 0);
  });
}
zone.addEventListener("drop", async (event) => {
  event.preventDefault();
  take(await fromDrop(event.dataTransfer));
});
// A file dropped beside the zone would take the page's place.
for (const kind of ["dragover", "drop"]) window.addEventListener(kind, (event) => event.preventDefault());

for (const input of place.querySelectorAll("input[type=file]")) {
  input.addEventListener("change", () => {
    take(fromInput(input));
    input.value = "";
  });
}
part("pause").addEventListener("click", () => queue.pause());
part("resume").addEventListener("click", () => queue.resume());
part("discard").addEventListener("click", () => discard(queue.batch));
part("retry-all").addEventListener("click", () => {
  for (const item of [...queue.items.values()]) if (item.state === "failed" && item.file) queue.retry(item);
});
part("without").addEventListener("click", async () => {
  expected = { files: 0, dates: {} };
  await Promise.all([...queue.items.values()].filter((item) => item.state === "lost").map((item) => queue.forget(item)));
  show();
});

/* ---- the beginning ---- */

place.hidden = false;
for (const fallback of form.querySelectorAll("[data-without-script]")) fallback.hidden = true;
const own = field.value || remembered().batch;
const known = await batches(api).catch(() => []);
if (own && known.some(({ batch }) => batch === own)) await goOn(own);
else {
  field.value = "";
  await offerEarlier();
}
