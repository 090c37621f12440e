// Sentences from the server, their fields filled in and their numbers written as the reader's language does.

const language = document.documentElement.lang || "en";
const rules = new Intl.PluralRules(language);

export function number(value) {
  return value.toLocaleString(language);
}

/** "{votes} of {goal}", {votes: 1, goal: 2} → "1 of 2". */
export function fill(sentence, values) {
  return sentence.replace(/\{(\w+)\}/g, (_, name) => (typeof values[name] === "number" ? number(values[name]) : values[name]));
}

/** The form of a sentence that goes with this number, filled in. */
export function plural(forms, count, values) {
  return fill(forms[rules.select(count)] ?? forms.other, values);
}
