// Keys for deciding on one dispute after another. Without this the page is plain forms and links.

const WRITES = "textarea, select, input:not([type=radio], [type=checkbox])";
const ACTIVATES = "a, button, summary";

/** The page's part that changes from face to face. */
const part = () => document.querySelector("[data-decide]");

/** Show in its place what another address has there, without leaving the page. */
async function show(address, sent) {
  part().setAttribute("aria-busy", "true");
  let answer;
  let there;
  try {
    answer = await fetch(address, sent);
    there = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-decide]");
  } catch {
    there = null;
  }
  // Signed out, or the network is away: let the browser itself say so.
  if (!there) return sent ? part().querySelector("form").submit() : location.assign(address);
  part().replaceWith(document.importNode(there, true));
  history.replaceState(null, "", answer.ok ? answer.url : location.href);
  arrive();
}

function decide() {
  const form = part().querySelector("form");
  if (part().hasAttribute("aria-busy") || !form.reportValidity()) return;
  show(form.action, { method: "POST", body: new FormData(form) });
}

/** What a face that has just come needs: hints for the keyboard, quick reasons, the next picture. */
function arrive() {
  const here = part();
  for (const hidden of here.querySelectorAll("[data-quick], [data-hint]")) hidden.hidden = false;
  const next = here.querySelector("[data-next-crop]");
  if (next) new Image().src = next.dataset.nextCrop;
  here.querySelector("[data-over]")?.focus();
}

function follow(rel) {
  const link = part().querySelector(`a[rel=${rel}]`);
  if (link && !part().hasAttribute("aria-busy")) show(link.href);
}

function press(event) {
  if (event.key === "Enter" && event.ctrlKey) return decide() ?? true;
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return false;
  const reason = part().querySelector("#reason");
  if (!reason) return false;
  if (event.target.matches?.(WRITES)) {
    if (event.key === "Escape") event.target.blur();
    return false;
  }
  if (event.key === "Enter") return event.target.closest?.(ACTIVATES) ? false : decide() ?? true;
  if (event.key === "/") return reason.select() ?? true;
  if (event.key === "ArrowRight" || event.key === "ArrowLeft") return follow(event.key === "ArrowRight" ? "next" : "prev") ?? true;
  const wanted = [event.key, event.key.toLowerCase(), event.code.replace("Digit", "")];
  if (wanted.includes(skip())) return follow("next") ?? true;
  const choice = [...part().querySelectorAll("[data-key]")].find((input) => input.dataset.key && wanted.includes(input.dataset.key));
  if (!choice) return false;
  choice.checked = true;
  choice.focus({ preventScroll: true });
  return true;
}

/** The key that goes on without a decision, as the link says it. */
const skip = () => part().querySelector("a[rel=next]").getAttribute("aria-keyshortcuts").split(" ")[1];

document.addEventListener("keydown", (event) => {
  if (press(event)) event.preventDefault();
});
document.addEventListener("submit", (event) => {
  if (!event.target.closest("[data-decide]")) return;
  event.preventDefault();
  decide();
});
document.addEventListener("click", (event) => {
  const quick = event.target.closest("[data-reason]");
  if (quick) part().querySelector("#reason").value = quick.dataset.reason;
  const link = event.target.closest("[data-decide] nav a[rel]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  follow(link.rel);
});
arrive();
