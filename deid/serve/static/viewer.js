// Before and after with a slider, boxes to choose faces by, and a pen for faces that were missed.

import { $, make, reconcile, say } from "./dom.js";

const LEAST = 8;

export class Viewer {
  constructor(on) {
    this.on = on;
    this.size = [1, 1];
    this.share = 50;
    this.drawing = false;
    this.pen = null;
    this.drag = null;
    $("compare").addEventListener("input", (event) => this.compare(Number(event.target.value)));
    $("stage").addEventListener("pointerdown", (event) => this.down(event));
    $("stage").addEventListener("pointermove", (event) => this.move(event));
    $("stage").addEventListener("pointerup", (event) => this.up(event));
    $("stage").addEventListener("pointercancel", () => this.cancel());
    $("pen").addEventListener("keydown", (event) => this.penKey(event));
    new ResizeObserver(() => this.fit()).observe($("stage-fit"));
    this.compare(50);
  }

  show(before, after, size) {
    this.size = size;
    this.swap("img-before", before);
    this.swap("img-after", after);
    this.fit();
  }

  // The old picture stays until the new one is there.
  swap(id, source) {
    const element = $(id);
    if (element.dataset.source === source) return;
    element.dataset.source = source;
    const next = new Image();
    next.onload = () => {
      if (element.dataset.source === source) element.src = source;
    };
    next.src = source;
  }

  fit() {
    const room = $("stage-fit").getBoundingClientRect();
    if (!room.width) return;
    const [width, height] = this.size;
    const most = Math.max(240, window.innerHeight - ($("film").hidden ? 220 : 420));
    const scale = Math.min(room.width / width, most / height);
    $("stage").style.setProperty("width", `${Math.floor(width * scale)}px`);
    $("stage").style.setProperty("height", `${Math.floor(height * scale)}px`);
  }

  compare(share) {
    this.share = Math.max(0, Math.min(100, share));
    $("stage").style.setProperty("--share", `${this.share}%`);
    $("compare").value = this.share;
  }

  boxes(items, chosen) {
    const list = $("boxes");
    reconcile(list, items, (item) => item.face, () => {
      const box = make("button", { type: "button", class: "box" }, make("span", { class: "box-label" }));
      box.addEventListener("click", () => this.on.choose(Number(box.dataset.key)));
      return box;
    }, (element, item) => {
      const [x0, y0, x1, y1] = item.box;
      const [width, height] = this.size;
      element.style.setProperty("left", `${(100 * x0) / width}%`);
      element.style.setProperty("top", `${(100 * y0) / height}%`);
      element.style.setProperty("width", `${(100 * (x1 - x0)) / width}%`);
      element.style.setProperty("height", `${(100 * (y1 - y0)) / height}%`);
      element.dataset.kind = item.kind;
      element.setAttribute("aria-label", `${item.label}. ${item.done}`);
      element.setAttribute("aria-pressed", item.face === chosen ? "true" : "false");
      element.firstChild.textContent = String(item.face + 1);
    });
  }

  point(event) {
    const area = $("stage").getBoundingClientRect();
    const inside = (value, most) => Math.max(0, Math.min(most, value));
    return [
      inside(((event.clientX - area.left) / area.width) * this.size[0], this.size[0]),
      inside(((event.clientY - area.top) / area.height) * this.size[1], this.size[1]),
    ];
  }

  setDrawing(drawing, keyboard = false) {
    this.drawing = drawing;
    $("draw").setAttribute("aria-pressed", String(drawing));
    $("stage").classList.toggle("drawing", drawing);
    if (!drawing) return this.setPen(null);
    if (keyboard) {
      const [width, height] = this.size;
      const side = Math.min(width, height) / 6;
      this.setPen([width / 2 - side / 2, height / 2 - side / 2, width / 2 + side / 2, height / 2 + side / 2]);
      $("pen").focus();
    }
    say("Drawing: drag a box around the missed face, or use the arrow keys. Escape cancels.");
    return undefined;
  }

  setPen(box) {
    this.pen = box;
    $("pen").hidden = box === null;
    if (box === null) return;
    const [width, height] = this.size;
    $("pen").style.setProperty("left", `${(100 * box[0]) / width}%`);
    $("pen").style.setProperty("top", `${(100 * box[1]) / height}%`);
    $("pen").style.setProperty("width", `${(100 * (box[2] - box[0])) / width}%`);
    $("pen").style.setProperty("height", `${(100 * (box[3] - box[1])) / height}%`);
  }

  down(event) {
    if (event.button !== 0 || (event.target.closest(".box") && !this.drawing)) return;
    event.preventDefault();
    $("stage").setPointerCapture(event.pointerId);
    this.drag = { from: this.point(event), moved: false };
    if (!this.drawing) this.slide(event);
  }

  move(event) {
    if (!this.drag) return;
    if (!this.drawing) return void this.slide(event);
    const [x, y] = this.point(event);
    const [fx, fy] = this.drag.from;
    this.setPen([Math.min(x, fx), Math.min(y, fy), Math.max(x, fx), Math.max(y, fy)]);
  }

  slide(event) {
    const area = $("stage").getBoundingClientRect();
    this.compare((100 * (event.clientX - area.left)) / area.width);
  }

  up() {
    if (!this.drag) return;
    this.drag = null;
    if (this.drawing && this.pen) this.finish();
  }

  cancel() {
    this.drag = null;
    if (this.drawing) this.setPen(null);
  }

  finish() {
    const box = this.pen;
    if (box[2] - box[0] < LEAST || box[3] - box[1] < LEAST) {
      this.setPen(null);
      return say("The box is too small.");
    }
    this.setDrawing(false);
    this.on.drawn(box.map((value) => Math.round(value * 10) / 10));
    return undefined;
  }

  penKey(event) {
    const step = Math.max(1, Math.max(...this.size) / 100);
    const [dx, dy] = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key] || [0, 0];
    if (event.key === "Enter") this.finish();
    else if (event.key === "Escape") this.setDrawing(false);
    else if (dx || dy) {
      const [x0, y0, x1, y1] = this.pen;
      const box = event.shiftKey ? [x0, y0, Math.max(x0 + LEAST, x1 + dx), Math.max(y0 + LEAST, y1 + dy)] : [x0 + dx, y0 + dy, x1 + dx, y1 + dy];
      if (box[0] >= 0 && box[1] >= 0 && box[2] <= this.size[0] && box[3] <= this.size[1]) this.setPen(box);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
