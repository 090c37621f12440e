// The row of reasons for a skip: closed unless asked for, its keys its own while it is open.

export class Reasons {
  constructor(root) {
    this.row = root.querySelector("[data-reasons]");
    this.opener = root.querySelector('[data-do="why"]');
    this.buttons = new Map([...this.row.querySelectorAll("[data-reason-key]")].map((button) => [button.dataset.reasonKey, button]));
  }

  get open() {
    return !this.row.hidden;
  }

  toggle(open = !this.open) {
    if (!open && this.row.contains(document.activeElement)) this.opener.focus();
    this.row.hidden = !open;
    this.opener.setAttribute("aria-expanded", String(open));
  }

  /** The button this key press means while the row is open. */
  button({ key, code }) {
    return this.open ? (this.buttons.get(key) ?? this.buttons.get(code.replace("Digit", ""))) : undefined;
  }
}
