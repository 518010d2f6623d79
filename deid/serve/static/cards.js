// A card for every face or track: what was done, how sure it is, why, and what else may be done.

import { api } from "./api.js";
import { $, clock, make, reconcile } from "./dom.js";

const COVERS = { blur: "Blur", pixelate: "Pixelate", solid: "One colour" };

export function showCards(file, faces, state, on) {
  const what = file.kind === "film" ? "Track" : "Face";
  $("cards-title").textContent = `${faces.length} ${what.toLowerCase()}${faces.length === 1 ? "" : "s"}`;
  const shown = sorted(faces).filter((face) => !state.onlyDoubtful || face.doubts.length);
  reconcile($("cards"), shown, (face) => `${file.id}-${face.face}`, (face) => build(face, what, on), (element, face) =>
    update(element, file, face, what, state));
}

// What wants a person's eye comes first.
export function sorted(faces) {
  return [...faces].sort((a, b) => Number(b.doubts.length > 0) - Number(a.doubts.length > 0) || a.face - b.face);
}

function build(face, what, on) {
  const number = face.face;
  const act = (action, label, key) => make("button", { type: "button", class: "act", data: { action }, text: label, "aria-keyshortcuts": key, on: { click: () => on.decide(number, { action }) } });
  const method = make("select", { class: "cover-method", "aria-label": `Cover of ${what.toLowerCase()} ${number + 1}` }, ...Object.entries(COVERS).map(([value, text]) => make("option", { value, text })));
  const strength = make("input", { class: "cover-strength", type: "range", min: "0.5", max: "4", step: "0.5", value: "1", "aria-label": `Strength of the cover of ${what.toLowerCase()} ${number + 1}` });
  const shown = make("output", { class: "cover-shown", text: "× 1" });
  strength.addEventListener("input", () => { shown.textContent = `× ${strength.value}`; });
  method.addEventListener("change", () => { strength.disabled = method.value === "solid"; });
  const cover = make("button", { type: "button", class: "act", data: { action: "cover" }, text: "Cover", "aria-keyshortcuts": "c", on: { click: () => on.decide(number, coverOf(method, strength)) } });
  const head = make("button", { type: "button", class: "card-head", on: { click: () => on.choose(number) } },
    make("img", { class: "before", alt: "", width: "72", height: "72" }), make("span", { class: "arrow", "aria-hidden": "true", text: "→" }),
    make("img", { class: "after", alt: "", width: "72", height: "72" }),
    make("span", { class: "card-title" }, make("strong"), make("span", { class: "done" })));
  return make("li", { class: "card", tabindex: "-1", data: { face: number } }, head,
    make("ul", { class: "doubts" }), make("p", { class: "note" }),
    make("dl", { class: "facts" }),
    make("details", { class: "why" }, make("summary", { text: "Why" }), make("ul")),
    make("div", { class: "card-acts", role: "group", "aria-label": `What to do with ${what.toLowerCase()} ${number + 1}` },
      act("not_a_face", "Not a face", "x"), act("keep", "Keep this person", "k"), act("again", "New face again", "r"), act("restore", "Undo", "u")),
    make("div", { class: "card-cover" }, method, strength, shown, cover));
}

export function coverOf(method, strength) {
  return { action: "cover", method: method.value, ...(method.value === "solid" ? {} : { strength: Number(strength.value) }) };
}

function update(element, file, face, what, state) {
  const staged = state.staged.get(face.face);
  element.dataset.kind = kindOf(face);
  element.classList.toggle("chosen", face.face === state.chosen);
  element.classList.toggle("is-staged", Boolean(staged));
  const title = `${what} ${face.face + 1}${face.origin === "detector" ? "" : `, ${face.origin === "drawn" ? "drawn by you" : "found by the last detection"}`}`;
  element.querySelector("strong").textContent = title;
  element.querySelector(".done").textContent = staged ? `${promise(staged)} (not applied yet)` : face.done;
  element.querySelector(".card-head").setAttribute("aria-pressed", String(face.face === state.chosen));
  for (const side of ["before", "after"]) {
    const source = api.face(file.id, face.face, side, state.pictures);
    const image = element.querySelector(`img.${side}`);
    if (image.getAttribute("src") !== source) image.src = source;
  }
  fill(element.querySelector(".doubts"), face.doubts.map((text) => make("li", { text })));
  element.querySelector(".note").textContent = face.note;
  element.querySelector(".note").hidden = !face.note;
  fill(element.querySelector(".facts"), facts(file, face).flatMap(([name, value]) => [make("dt", { text: name }), make("dd", { text: value })]));
  const why = face.now.why || [];
  element.querySelector(".why").hidden = !why.length;
  fill(element.querySelector(".why ul"), why.map((text) => make("li", { text })));
  for (const button of element.querySelectorAll("[data-action]")) {
    const now = staged ? staged.action : face.decision.action;
    button.setAttribute("aria-pressed", String(button.dataset.action === now && now !== "restore"));
    button.disabled = state.busy || (button.dataset.action === "again" && state.method !== "attgan") || (button.dataset.action === "restore" && now === "restore");
  }
}

function fill(element, children) {
  element.hidden = !children.length;
  element.replaceChildren(...children);
}

export function kindOf(face) {
  const { action } = face.decision;
  if (action === "keep" || action === "not_a_face") return "left";
  return face.doubts.length ? "doubtful" : "done";
}

function promise(staged) {
  return { not_a_face: "Not a face", keep: "Keep this person", again: "Another new face", restore: "As it was first", cover: `Cover: ${COVERS[staged.method]}` }[staged.action];
}

function facts(file, face) {
  const found = face.origin === "drawn" ? [] : [["Detector score", face.score.toFixed(2)]];
  const { now } = face;
  if (file.kind === "film") {
    found.unshift(["Time", `${clock(face.seconds[0])} to ${clock(face.seconds[1])}`]);
    if (now.methods) found.push(["Frames", Object.entries(now.methods).map(([name, count]) => `${count} ${NAMES[name] || name}`).join(", ")]);
    if (now.least_distance_in_thresholds) found.push(["Distance", `${now.least_distance_in_thresholds.toFixed(2)} × the threshold at least`]);
    return found;
  }
  for (const each of now.distances || []) found.push(["Distance", `${each.distance.toFixed(2)}, must exceed ${each.threshold.toFixed(2)}`]);
  if (now.realism !== null && now.realism !== undefined) found.push(["Realism", now.realism.toFixed(2)]);
  if (now.method) found.push(["Detected again", now.redetected ? `yes, IoU ${now.iou.toFixed(2)}` : "no"]);
  return found;
}

const NAMES = { attgan: "with a new face", blur: "blurred", pixelate: "pixelated", solid: "in one colour", left: "left as they are" };
