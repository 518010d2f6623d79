// Small helpers for elements. Text is always set as text, never as markup.

export const $ = (id) => document.getElementById(id);

export function make(tag, given = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "text") element.textContent = value;
    else if (name === "on") for (const [event, act] of Object.entries(value)) element.addEventListener(event, act);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (value === true) element.setAttribute(name, "");
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// Keeps the elements of a list that stay, so that focus and scrolling stay too.
export function reconcile(list, items, key, build, update) {
  const old = new Map([...list.children].map((child) => [child.dataset.key, child]));
  items.forEach((item, place) => {
    const name = String(key(item));
    const element = old.get(name) || build(item);
    element.dataset.key = name;
    old.delete(name);
    update(element, item);
    if (list.children[place] !== element) list.insertBefore(element, list.children[place] || null);
  });
  for (const gone of old.values()) gone.remove();
}

export function say(text) {
  $("live").textContent = text;
}

export function alertUser(text) {
  const close = make("button", { type: "button", class: "quiet", "aria-label": "Dismiss", text: "×" });
  const note = make("div", { class: "alert" }, make("span", { text }), close);
  close.addEventListener("click", () => note.remove());
  $("alerts").append(note);
  while ($("alerts").children.length > 4) $("alerts").firstChild.remove();
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "";
  if (seconds < 1) return "less than a second";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return `${Math.round(seconds / 60)} min`;
}

export function clock(seconds) {
  const whole = Math.floor(seconds);
  const tenth = Math.floor((seconds - whole) * 10);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}.${tenth}`;
}
