// Time in a video: a slider over its stills, and a bar for every track.

import { api } from "./api.js";
import { sorted, kindOf } from "./cards.js";
import { $, clock, make, reconcile } from "./dom.js";

export class Film {
  constructor(on) {
    this.on = on;
    this.stills = [];
    this.place = 0;
    this.timer = null;
    $("scrub").addEventListener("input", (event) => this.go(Number(event.target.value)));
    $("play").addEventListener("click", () => this.toggle());
  }

  load(view) {
    this.stills = view.stills;
    $("scrub").max = Math.max(0, this.stills.length - 1);
    this.go(Math.min(this.place, this.stills.length - 1), false);
  }

  get frame() {
    return this.stills.length ? this.stills[this.place][0] : 0;
  }

  get end() {
    return this.stills.length ? Math.max(0.001, this.stills[this.stills.length - 1][1]) : 1;
  }

  go(place, told = true) {
    this.place = Math.max(0, Math.min(this.stills.length - 1, place));
    $("scrub").value = this.place;
    const seconds = this.stills.length ? this.stills[this.place][1] : 0;
    $("scrub-time").textContent = `${clock(seconds)} of ${clock(this.end)}`;
    $("scrub").setAttribute("aria-valuetext", `${clock(seconds)}, frame ${this.frame}`);
    $("timeline").style.setProperty("--now", `${(100 * seconds) / this.end}%`);
    if (told) this.on.moved();
  }

  goToFrame(frame) {
    let best = 0;
    this.stills.forEach(([index], place) => {
      if (Math.abs(index - frame) < Math.abs(this.stills[best][0] - frame)) best = place;
    });
    this.go(best);
  }

  toggle() {
    if (this.timer) return this.stop();
    if (this.place >= this.stills.length - 1) this.go(0);
    const pause = Math.max(60, (1000 * this.end) / Math.max(1, this.stills.length));
    this.timer = setInterval(() => (this.place < this.stills.length - 1 ? this.go(this.place + 1) : this.stop()), pause);
    $("play").textContent = "❚❚";
    $("play").setAttribute("aria-label", "Pause");
    return undefined;
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    $("play").textContent = "▶";
    $("play").setAttribute("aria-label", "Play");
  }

  timeline(file, faces, state) {
    reconcile($("timeline"), sorted(faces), (face) => `${file.id}-${face.face}`, (face) => {
      const row = make("button", { type: "button", class: "row", on: { click: () => this.on.choose(face.face) } },
        make("img", { alt: "", width: "36", height: "36" }), make("span", { class: "row-name" }), make("span", { class: "row-bar" }, make("span", { class: "row-span" })));
      return make("li", {}, row);
    }, (element, face) => {
      const row = element.firstChild;
      const span = row.querySelector(".row-span");
      const [from, to] = face.seconds;
      span.style.setProperty("left", `${(100 * from) / this.end}%`);
      span.style.setProperty("width", `${Math.max(0.8, (100 * (to - from)) / this.end)}%`);
      row.dataset.kind = kindOf(face);
      row.setAttribute("aria-pressed", String(face.face === state.chosen));
      row.querySelector(".row-name").textContent = `Track ${face.face + 1}`;
      row.setAttribute("aria-label", `Track ${face.face + 1}, ${clock(from)} to ${clock(to)}. ${face.done}. ${face.doubts.join(". ")}`);
      const source = api.face(file.id, face.face, "before", state.pictures);
      if (row.querySelector("img").getAttribute("src") !== source) row.querySelector("img").src = source;
    });
  }
}
