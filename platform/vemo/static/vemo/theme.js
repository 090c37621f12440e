// Loaded in the head, before anything is painted: a theme chosen earlier must not flash in late.
(() => {
  const chosen = localStorage.getItem("vemo-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
