// A run's page while it trains: fetch its moving parts and put them in place of the old ones.

const EVERY_MS = 1500;
const root = document.querySelector("[data-live]");
const address = root?.dataset.live;
let shown = {};

function replace(parts) {
  for (const [id, html] of Object.entries(parts)) {
    const element = document.getElementById(id);
    if (!element || shown[id] === html) continue;
    const log = element.querySelector(".log");
    const followed = !log || log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
    element.innerHTML = html;
    if (followed) toEnd(element);
  }
  shown = parts;
}

function toEnd(element) {
  const log = element.querySelector(".log");
  if (log) log.scrollTop = log.scrollHeight;
}

async function look() {
  try {
    const response = await fetch(address, { headers: { Accept: "application/json" } });
    if (!response.ok) throw new Error(String(response.status));
    const now = await response.json();
    // Its end brings other buttons and the test figures: they come with the whole page.
    if (now.over) return location.reload();
    replace(now.parts);
    setTimeout(look, document.hidden ? 10 * EVERY_MS : EVERY_MS);
  } catch {
    setTimeout(look, 5 * EVERY_MS);
  }
}

toEnd(document);
if (address) setTimeout(look, EVERY_MS);
