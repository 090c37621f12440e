// What every page needs and the content security policy forbids inline: shares as widths, the theme switch, copying.

/** Turn every data-share (0–1) below `root` into the custom property --share that vemo.css draws from. */
export function drawShares(root = document) {
  for (const element of root.querySelectorAll("[data-share]")) {
    const share = Math.min(1, Math.max(0, Number(element.dataset.share) || 0));
    element.style.setProperty("--share", String(share));
  }
}

function isDark() {
  const { theme } = document.documentElement.dataset;
  return theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function offerThemes() {
  for (const button of document.querySelectorAll("[data-theme-switch]")) {
    const tell = () => button.setAttribute("aria-pressed", String(isDark()));
    tell();
    button.hidden = false;
    button.addEventListener("click", () => {
      const theme = isDark() ? "light" : "dark";
      document.documentElement.dataset.theme = theme;
      localStorage.setItem("vemo-theme", theme);
      tell();
    });
  }
}

/** <button data-copy="text" hidden>Copy</button>: shown only where the browser can copy. */
function offerCopies() {
  if (!navigator.clipboard) return;
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      const word = button.textContent;
      button.textContent = document.body.dataset.copied;
      setTimeout(() => { button.textContent = word; }, 1500);
    });
  }
}

/** On a phone the rooms are a strip wider than the screen: begin where one is. */
function showWhereOneIs() {
  for (const strip of document.querySelectorAll(".site-nav, .tabs")) {
    const here = strip.querySelector("[aria-current]");
    if (here) strip.scrollLeft = here.offsetLeft - strip.offsetLeft - (strip.clientWidth - here.offsetWidth) / 2;
  }
}

drawShares();
showWhereOneIs();
offerThemes();
offerCopies();
