// The list of files at the left: what waits, what is being done, how far, and what came of it.

import { api } from "./api.js";
import { $, duration, make, reconcile } from "./dom.js";

const STATES = { queued: "Waiting", working: "Working", ready: "Ready to look at", saved: "Saved", failed: "Failed", cancelled: "Cancelled" };

export function showFiles(files, uploads, chosen, on) {
  const items = [...files.map((file) => ({ key: file.id, file })), ...uploads.map((upload) => ({ key: upload.key, upload }))];
  reconcile($("file-list"), items, (item) => item.key, () => build(on), (element, item) => update(element, item, chosen));
}

function build(on) {
  const open = make("button", { type: "button", class: "file-open" },
    make("span", { class: "file-thumb" }, make("img", { alt: "", width: "48", height: "48" })),
    make("span", { class: "file-text" }, make("span", { class: "file-name" }), make("span", { class: "file-state" })));
  const remove = make("button", { type: "button", class: "quiet file-remove", text: "×" });
  const element = make("li", { class: "file" }, open, remove, make("progress", { max: "1", value: "0", "aria-label": "Progress" }));
  open.addEventListener("click", () => on.open(element.dataset.key));
  remove.addEventListener("click", () => on.remove(element.dataset.key));
  return element;
}

function update(element, item, chosen) {
  const name = item.file ? item.file.name : item.upload.name;
  const [open, remove, bar] = element.children;
  element.dataset.state = item.file ? item.file.state : item.upload.error ? "failed" : "sending";
  open.querySelector(".file-name").textContent = name;
  open.querySelector(".file-state").textContent = item.file ? words(item.file) : item.upload.error || `Sending, ${Math.round(item.upload.share * 100)} %`;
  open.setAttribute("aria-current", item.key === chosen ? "true" : "false");
  open.disabled = !item.file;
  remove.setAttribute("aria-label", `Remove ${name}`);
  const image = open.querySelector("img");
  const source = item.file && item.file.opened ? api.image(item.file.id, "after", 0, item.file.state === "working" ? "w" : item.file.version) : "";
  if (item.file && item.file.opened && element.dataset.seen !== String(item.file.version) && item.file.state !== "working") {
    element.dataset.seen = item.file.version;
    image.src = source;
  }
  image.hidden = !(item.file && item.file.opened);
  progress(bar, item);
}

function progress(bar, item) {
  const step = item.file ? item.file.progress : null;
  bar.hidden = item.file ? item.file.state !== "working" : Boolean(item.upload.error);
  if (!item.file) bar.value = item.upload.share;
  else if (step && step.total > 1) bar.value = step.done / step.total;
  else bar.removeAttribute("value");
}

export function words(file) {
  if (file.state === "failed") return file.error;
  if (file.state === "working" && file.progress) {
    const { step, done, total, rate, seconds_left: left } = file.progress;
    const share = total > 1 ? `, ${Math.round((100 * done) / total)} %` : "";
    const pace = rate && total > 1 ? `, ${rate.toFixed(1)} frames a second` : "";
    return `${capital(step)}${share}${pace}${left ? `, ${duration(left)} left` : ""}`;
  }
  const what = file.kind === "film" ? "track" : "face";
  const count = file.opened ? `, ${file.faces} ${what}${file.faces === 1 ? "" : "s"}` : "";
  const doubt = file.opened && file.doubtful ? `, ${file.doubtful} doubtful` : "";
  return `${STATES[file.state]}${count}${doubt}`;
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

// How far all files together are, from how long those took that are done.
export function overall(files, uploads) {
  const all = files.length + uploads.filter((upload) => !upload.error).length;
  const busy = files.filter((file) => file.state === "queued" || file.state === "working");
  const done = files.filter((file) => file.opened && !busy.includes(file));
  const photos = done.filter((file) => file.kind === "photo" && file.seconds > 0);
  const each = photos.length ? photos.reduce((sum, file) => sum + file.seconds, 0) / photos.length : null;
  let left = each === null ? null : 0;
  for (const file of busy) {
    if (file.progress && file.progress.seconds_left) left = (left || 0) + file.progress.seconds_left;
    else if (each !== null) left += each;
  }
  const rate = each ? `${(60 / each).toFixed(each > 6 ? 1 : 0)} photos a minute` : "";
  const waiting = all - files.length;
  const failed = files.filter((file) => file.state === "failed").length + uploads.filter((upload) => upload.error).length;
  const parts = [`${done.length} of ${all - files.filter((file) => file.state === "failed").length} done`, failed ? `${failed} failed` : "", rate, busy.length && left ? `${duration(left)} left` : ""];
  return { idle: !busy.length && !waiting, share: all ? (all - busy.length - waiting) / all : 0, text: parts.filter(Boolean).join(" · ") };
}
