// Making a campaign: one step at a time, the list of expressions, and what each choice would mean, asked of the server.

const WAIT_MS = 250;

/** Call `work` once things have been quiet for a moment; what is still under way for an older call is dropped. */
function settled(work) {
  let timer = 0;
  let under = null;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      under?.abort();
      under = new AbortController();
      work(under.signal);
    }, WAIT_MS);
  };
}

async function asked(form, address, signal, more = {}) {
  const body = new FormData(form);
  for (const [name, value] of Object.entries(more)) body.set(name, value);
  try {
    const answer = await fetch(address, { method: "POST", body, signal, headers: { Accept: "application/json" } });
    return answer.ok ? await answer.json() : null;
  } catch {
    // Another question has taken this one's place, or the network is away; the next one may be answered.
    return null;
  }
}

// ---- the steps ----

function walkSteps(form) {
  const steps = [...form.querySelectorAll("[data-step]")];
  const links = [...form.querySelectorAll("[data-step-link]")];
  const stepOf = (element) => element.closest("[data-step]")?.dataset.step;

  function show(name, { focus = true } = {}) {
    for (const step of steps) step.hidden = step.dataset.step !== name;
    for (const link of links) {
      if (link.dataset.stepLink === name) link.setAttribute("aria-current", "step");
      else link.removeAttribute("aria-current");
    }
    const shown = steps.find((step) => !step.hidden);
    if (!focus) return;
    shown.focus({ preventScroll: true });
    if (shown.getBoundingClientRect().top < 0 || matchMedia("(max-width: 860px)").matches) shown.scrollIntoView();
  }

  function mark() {
    for (const link of links) {
      const step = steps.find((one) => one.dataset.step === link.dataset.stepLink);
      const wrong = Boolean(step.querySelector(".errorlist > li, [data-live-error]"));
      link.toggleAttribute("data-wrong", wrong);
      link.querySelector("[data-step-wrong]").hidden = !wrong;
    }
  }

  for (const foot of form.querySelectorAll("[data-step-foot]")) foot.hidden = false;
  form.addEventListener("click", (event) => {
    const name = event.target.closest("[data-go]")?.dataset.go ?? event.target.closest("[data-step-link]")?.dataset.stepLink;
    if (!name) return;
    event.preventDefault();
    show(name);
  });
  // A hidden field can't be shown to be wrong by the browser: first come to its step.
  form.noValidate = true;
  form.addEventListener("submit", (event) => {
    const wrong = form.querySelector(":invalid:not(fieldset)");
    if (!wrong) return;
    event.preventDefault();
    show(stepOf(wrong), { focus: false });
    const folded = wrong.closest("details");
    if (folded) folded.open = true;
    wrong.reportValidity();
  });
  const first = form.querySelector("[data-step] .errorlist > li");
  const asked = location.hash.replace("#step-", "");
  const begin = first ? stepOf(first) : steps.some((step) => step.dataset.step === asked) ? asked : steps[0].dataset.step;
  show(begin, { focus: Boolean(first) });
  mark();
  return { mark };
}

// ---- the list of expressions ----

function editExpressions(box, changed) {
  const list = box.querySelector("[data-rows]");
  const empty = box.querySelector("[data-empty-row]");
  const choice = box.querySelector("[data-icon-choice]");
  const icons = new Set([...choice.querySelectorAll("[data-icon]")].map((pick) => pick.dataset.icon).filter(Boolean));
  const choosable = "popover" in HTMLElement.prototype;
  choice.hidden = !choosable;
  let open = null;

  const nameOf = (row) => row.querySelector("[name=expression]");
  const iconOf = (row) => row.querySelector("select[name=icon]");

  function draw(row) {
    const name = nameOf(row).value.trim();
    const icon = iconOf(row).value || (icons.has(name) ? name : "expression");
    row.querySelector("use").setAttribute("href", `${box.dataset.sprite}#${icon}`);
    row.className = `expression-row${icons.has(name) ? ` expression-${name}` : ""}`;
    for (const part of row.querySelectorAll("[data-say]")) part.setAttribute("aria-label", `${part.dataset.say}: ${name}`);
  }

  function equip(row) {
    row.querySelector("[data-row-tools]").hidden = false;
    for (const part of row.querySelectorAll("[name=key], [data-row-tools] button")) part.dataset.say = part.getAttribute("aria-label");
    if (choosable) offerIcons(row);
    draw(row);
  }

  /** A button that shows the icon and opens all of them, in place of the plain list. */
  function offerIcons(row) {
    const shown = row.querySelector("[data-row-icon]");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "row-icon";
    button.append(...shown.childNodes);
    button.setAttribute("aria-haspopup", "true");
    iconOf(row).hidden = true;
    button.dataset.say = iconOf(row).getAttribute("aria-label");
    button.title = button.dataset.say;
    shown.replaceWith(button);
    button.addEventListener("click", () => choose(row, button));
  }

  function choose(row, button) {
    open = { row, button };
    for (const pick of choice.querySelectorAll("[data-icon]")) {
      pick.setAttribute("aria-pressed", String(pick.dataset.icon === iconOf(row).value));
    }
    choice.showPopover();
    const at = button.getBoundingClientRect();
    const top = Math.min(at.bottom + 4, innerHeight - choice.offsetHeight - 8);
    choice.style.setProperty("top", `${Math.max(8, top)}px`);
    choice.style.setProperty("left", `${Math.min(at.left, innerWidth - choice.offsetWidth - 8)}px`);
    choice.querySelector("[aria-pressed=true]")?.focus();
  }

  choice.addEventListener("click", (event) => {
    const pick = event.target.closest("[data-icon]");
    if (!pick || !open) return;
    iconOf(open.row).value = pick.dataset.icon;
    draw(open.row);
    choice.hidePopover();
    open.button.focus();
    changed();
  });

  function move(row, button) {
    if (button.matches("[data-up]")) row.previousElementSibling?.before(row);
    else if (button.matches("[data-down]")) row.nextElementSibling?.after(row);
    else {
      const next = row.nextElementSibling ?? row.previousElementSibling;
      row.remove();
      next?.querySelector("[name=expression]").focus();
      return changed();
    }
    button.focus();
    return changed();
  }

  list.addEventListener("click", (event) => {
    const button = event.target.closest("[data-row-tools] button");
    if (button) move(button.closest("[data-row]"), button);
  });
  list.addEventListener("input", (event) => draw(event.target.closest("[data-row]")));
  // Enter would send the whole form; here it means: the next one.
  list.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.target.name !== "expression") return;
    event.preventDefault();
    const next = event.target.closest("[data-row]").nextElementSibling;
    if (next) nameOf(next).focus();
    else add();
  });

  function add() {
    list.append(empty.content.cloneNode(true));
    equip(list.lastElementChild);
    nameOf(list.lastElementChild).focus();
  }

  const adder = box.querySelector("[data-add]");
  adder.hidden = false;
  adder.addEventListener("click", add);
  for (const spare of list.querySelectorAll("[data-spare]")) spare.remove();
  list.querySelectorAll("[data-row]").forEach(equip);
  return {
    /** The keys they would have without one of their own, in their order; rows without a name have none. */
    showKeys(keys) {
      const named = [...list.querySelectorAll("[data-row]")].filter((row) => nameOf(row).value.trim());
      named.forEach((row, index) => { row.querySelector("[name=key]").placeholder = keys[index] ?? ""; });
    },
  };
}

// ---- what it would mean ----

/** Say at a field what is wrong with it; only where somebody has been. */
function sayErrors(form, errors, touched) {
  for (const said of form.querySelectorAll("[data-live-error]")) said.remove();
  for (const list of form.querySelectorAll("[data-error]")) list.replaceChildren();
  for (const [name, texts] of Object.entries(errors)) {
    if (!touched.has(name)) continue;
    const place = form.querySelector(`[data-error="${name}"]`);
    const field = form.elements[name];
    const around = place ?? (field?.closest ? field : field?.[0])?.closest(".field");
    if (!around) continue;
    for (const text of texts) {
      const said = document.createElement(place ? "li" : "p");
      said.className = place ? "" : "error";
      said.dataset.liveError = "";
      said.textContent = text;
      around.append(said);
    }
  }
}

/** A choice of faces: how many it takes, and a few of them. */
function followFaces(form, told) {
  const box = form.querySelector("[data-chosen]");
  if (!box || !form.dataset.choose) return;
  box.hidden = false;
  const ask = settled(async (signal) => {
    box.toggleAttribute("data-busy", true);
    const found = await asked(form, form.dataset.choose, signal);
    if (signal.aborted) return;
    box.toggleAttribute("data-busy", false);
    if (!found?.html) return;
    box.innerHTML = found.html;
    told(found);
  });
  const inside = box.closest("[data-step]") ?? form;
  inside.addEventListener("input", ask);
  // Folded away, nobody waits for it.
  const folded = form.closest("details:not([open])");
  if (folded) folded.addEventListener("toggle", ask, { once: true });
  else ask();
}

function followWizard(form) {
  const steps = walkSteps(form);
  const touched = new Set();
  let counted = "";
  let expressions = null;

  const askDraft = settled(async (signal) => {
    const found = await asked(form, form.dataset.draft, signal, { counted });
    if (!found) return;
    for (const [step, line] of Object.entries(found.summary)) {
      const place = form.querySelector(`[data-line="${step}"]`);
      if (place) place.textContent = line;
    }
    const votes = form.querySelector("[data-votes]");
    votes.textContent = found.votes;
    votes.hidden = !found.votes;
    expressions?.showKeys(found.keys);
    sayErrors(form, found.errors, touched);
    steps.mark();
  });

  const trial = form.querySelector("[data-trial-found]");
  const askTrial = settled(async (signal) => {
    trial.toggleAttribute("data-busy", true);
    const found = await asked(form, form.dataset.trial, signal);
    if (signal.aborted) return;
    trial.toggleAttribute("data-busy", false);
    if (!found?.html) return;
    trial.innerHTML = found.html;
    // Nobody wants all of it read out at every key: its sum is enough.
    form.querySelector("[data-told]").textContent = found.line;
  });

  const quality = form.querySelector("[data-quality-found]");
  const askQuality = settled(async (signal) => {
    const found = await asked(form, form.dataset.quality, signal);
    if (found?.html) quality.innerHTML = found.html;
  });

  const box = form.querySelector("[data-expressions]");
  expressions = editExpressions(box, () => { touched.add("expressions"); askDraft(); });
  for (const part of form.querySelectorAll("[data-needs-script]")) part.hidden = false;
  form.addEventListener("input", (event) => {
    touched.add(event.target.closest("[data-expressions]") ? "expressions" : event.target.name);
    // What was wrong when it was sent is being mended; from here on the draft says what is wrong.
    event.target.closest(".field")?.querySelector(":scope > .errorlist:not([data-error])")?.remove();
    if (event.target.name.startsWith("key_")) touched.add("expressions");
    askDraft();
    if (quality && event.target.name.startsWith("quality_")) askQuality();
    if (["votes_per_face", "rule", "minimum_agreement", "tried_on"].includes(event.target.name)) askTrial();
  });
  followFaces(form, (found) => {
    counted = String(found.count);
    form.querySelector('[data-line="faces"]').textContent = found.line;
    askDraft();
  });
  askDraft();
  askTrial();
  if (quality) askQuality();
}

document.querySelectorAll("[data-wizard]").forEach(followWizard);
document.querySelectorAll("form[data-choose]:not([data-wizard])").forEach((form) => followFaces(form, () => {}));
