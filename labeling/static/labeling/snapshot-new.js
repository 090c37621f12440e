// A new snapshot: what the rule would hold is asked of the server whenever the rule changes.

const WAIT_MS = 400;

function follow(form) {
  const panel = form.querySelector("[data-preview-panel]");
  const splits = form.elements.namedItem("splits");
  let timer = 0;
  let under = null;

  async function ask() {
    under?.abort();
    under = new AbortController();
    panel.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(form.dataset.preview, { method: "POST", body: new FormData(form), signal: under.signal });
      if (answer.ok) panel.innerHTML = (await answer.json()).html;
      panel.removeAttribute("aria-busy");
    } catch (error) {
      // A newer question has taken this one's place and says when it is answered; else the network is away.
      if (error.name !== "AbortError") panel.removeAttribute("aria-busy");
    }
  }

  /** Only what the chosen way of making splits asks for. */
  function fold() {
    for (const part of form.querySelectorAll("[data-for-splits]")) part.hidden = part.dataset.forSplits !== splits.value;
    // Ticks out of sight are not meant. The shares may be sent: the server asks for them in any case.
    for (const tick of form.querySelectorAll('[data-for-splits="sources"] input')) tick.disabled = splits.value !== "sources";
  }

  form.addEventListener("input", (event) => {
    if (event.target.name === "name") return;
    clearTimeout(timer);
    timer = setTimeout(ask, WAIT_MS);
    fold();
  });
  // A field in a folded part cannot be shown to be wrong by the browser.
  form.addEventListener("invalid", (event) => {
    const folded = event.target.closest("details");
    if (folded) folded.open = true;
  }, true);
  form.addEventListener("click", (event) => {
    const field = event.target.closest(".problems a")?.hash.slice(1);
    const folded = field && document.getElementById(field)?.closest("details");
    if (folded) folded.open = true;
  });
  for (const button of form.querySelectorAll("[data-needs-no-script]")) button.hidden = true;
  fold();
  if (panel.querySelector("[data-ask]")) ask();
}

document.querySelectorAll("form[data-preview]").forEach(follow);
