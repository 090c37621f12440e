// What moves on the managers' pages: live parts, filters that answer at once, arrows from face to face.

const POLL_MS = 2000;

/** A sentence of the page with its {fields} filled in. */
function filled(sentence, values) {
  return sentence.replace(/\{(\w+)\}/g, (field, name) => values[name] ?? field);
}

/** Seconds as people say them: 40 s, 3 min, 2 h 5 min. The words are the page's, in its language. */
function spoken(seconds, words) {
  if (seconds < 90) return filled(words.seconds, { seconds: Math.max(1, Math.round(seconds)) });
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return filled(words.minutes, { minutes });
  return filled(words.hours, { hours: Math.floor(minutes / 60), minutes: minutes % 60 });
}

const WINDOW_MS = 60_000;

/** Estimate from the last minute that this page has seen itself: work taken up again does not begin at zero. */
function estimator() {
  const seen = new Map();
  return (part) => {
    part.querySelectorAll("[data-eta]").forEach((place, index) => {
      const done = Number(place.dataset.done);
      const total = Number(place.dataset.total);
      const now = performance.now();
      const before = (seen.get(index) ?? []).filter((one) => one.done <= done && now - one.now < WINDOW_MS);
      const [first = { done, now }] = before;
      seen.set(index, [...before, { done, now }]);
      const rate = (done - first.done) / (now - first.now);
      place.textContent = rate > 0
        ? filled(place.dataset.eta, { time: spoken((total - done) / rate / 1000, place.dataset) })
        : place.dataset.unknown ?? "";
    });
  };
}

/** Fetch a live part every two seconds (or every data-every) while its work goes on; at the next stage, show the whole page anew. */
function follow(part) {
  if (part.dataset.stage === "over") return;
  const estimate = estimator();
  let shown = "";
  async function look() {
    if (document.hidden) return schedule();
    try {
      const answer = await fetch(part.dataset.live, { headers: { Accept: "application/json" } });
      if (!answer.ok) return schedule();
      const { html, stage } = await answer.json();
      if (stage !== part.dataset.stage) return location.reload();
      // What somebody holds with the keyboard stays where it is until it has changed.
      if (html !== shown) replace(html);
      estimate(part);
    } catch {
      // The network is away for a moment; the next look may find it again.
    }
    return schedule();
  }
  function replace(html) {
    shown = html;
    const place = [...part.querySelectorAll("button, a")].indexOf(document.activeElement);
    part.innerHTML = html;
    if (place >= 0) part.querySelectorAll("button, a")[place]?.focus();
  }
  function schedule() {
    setTimeout(look, part.dataset.every ? 1000 * part.dataset.every : POLL_MS);
  }
  schedule();
}

function submitOnChange(form) {
  form.querySelectorAll("[data-needs-no-script]").forEach((button) => { button.hidden = true; });
  form.addEventListener("change", () => form.requestSubmit());
}

/** Left and right lead to the neighbours, unless somebody is writing or holds a modifier. */
function walkByArrows() {
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (event.target.closest("input, select, textarea, [role=slider]")) return;
    const rel = { ArrowLeft: "prev", ArrowRight: "next" }[event.key];
    if (rel) document.querySelector(`[data-arrows] a[rel=${rel}]`)?.click();
  });
}

document.querySelectorAll("[data-live]").forEach(follow);
document.querySelectorAll("[data-submit-on-change]").forEach(submitOnChange);
if (document.querySelector("[data-arrows]")) walkByArrows();
