// The qualification works by its forms alone. This adds the keys of the vote page, and says aloud what was meant.

const shown = performance.now();
const form = document.querySelector("[data-qualify]");
const next = document.querySelector("[data-next]");
const status = document.querySelector("[data-say]");
let sent = false;

function press(event) {
  if (event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
  if (next && event.key === " ") {
    event.preventDefault();
    next.click();
  }
  if (!form || sent || event.target.closest("input, select, textarea, summary")) return;
  const key = event.key.toLowerCase();
  const button = [...form.querySelectorAll("[data-key]")].find((one) => one.dataset.key === key);
  if (!button) return;
  event.preventDefault();
  button.click();
}

document.addEventListener("keydown", press);
form?.addEventListener("submit", (event) => {
  if (sent) return event.preventDefault();
  sent = true;
  form.elements.took_ms.value = Math.round(performance.now() - shown);
  event.submitter?.classList.add("answered");
});
// A page that comes back from the browser's memory can be answered again.
window.addEventListener("pageshow", () => (sent = false));
// A live region is read out when it changes, not when it is there from the start.
if (status) setTimeout(() => (status.textContent = status.dataset.say), 100);
