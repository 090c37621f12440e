// The start form: show what the chosen preset would set, and how many images the run would look at.

const form = document.querySelector("[data-start]");
const table = document.querySelector("[data-presets]");

function presetValue(setting) {
  const preset = form.elements.preset.value;
  return table.querySelector(`tr[data-setting="${setting}"] td[data-preset="${preset}"]`)?.textContent.trim() ?? "";
}

function showPreset() {
  for (const name of ["image_size", "batch_size", "epochs", "learning_rate", "seed"]) {
    form.elements[name].placeholder = presetValue(name);
  }
  const asPreset = form.querySelector("[data-cost]").dataset.presetWords;
  form.elements.device.options[0].textContent = asPreset.replace("{value}", presetValue("device"));
  showCost();
}

function showCost() {
  const cost = form.querySelector("[data-cost]");
  const images = Number(form.elements.snapshot.selectedOptions[0]?.dataset.images);
  const epochs = Number(form.elements.epochs.value || presetValue("epochs"));
  cost.hidden = !(images > 0 && epochs > 0);
  const counts = { images, epochs, passes: images * epochs };
  const write = (_, name) => counts[name].toLocaleString(document.documentElement.lang);
  cost.textContent = cost.dataset.words.replace(/\{(\w+)\}/g, write);
}

if (form && table) {
  form.elements.preset.addEventListener("change", showPreset);
  form.elements.snapshot.addEventListener("change", showCost);
  form.elements.epochs.addEventListener("input", showCost);
  showPreset();
}
