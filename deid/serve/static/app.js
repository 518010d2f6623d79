// The page: one session, its files, the one that is looked at, and what is decided about its faces.

import { api } from "./api.js";
import { coverOf, kindOf, showCards, sorted } from "./cards.js";
import { $, alertUser, make, say } from "./dom.js";
import { overall, showFiles, words } from "./files.js";
import { Film } from "./film.js";
import { Uploads, dropped } from "./uploads.js";
import { Viewer } from "./viewer.js";

const state = {
  session: null, files: [], chosenFile: null, detections: null, chosen: null, staged: new Map(), drawn: [], page: 0,
  onlyDoubtful: false, showBoxes: true, method: "attgan", pictures: 0, busy: false, wantedDownloads: new Set(), wantedZip: null,
};
let flush = null;

const viewer = new Viewer({ choose, drawn: (box) => stage({ action: "draw", box_xyxy: box, frame: currentFrame() }) });
const film = new Film({ moved: showStage, choose });
const uploads = new Uploads(showSide, (item) => alertUser(`${item.name}: ${item.error}`));

// The session

async function begin() {
  const status = await api.status();
  uploads.limits = status.limits;
  if (status.method) state.method = status.method;
  const known = sessionStorage.getItem("session");
  try {
    state.session = known && (await api.session(known)) ? known : (await api.open()).session;
  } catch (error) {
    if (error.status !== 404) throw error;
    state.session = (await api.open()).session;
    if (known) alertUser("The last session was closed and its files are deleted. This is a new one.");
  }
  sessionStorage.setItem("session", state.session);
  uploads.pump(state.session);
  listen();
}

function listen() {
  const events = api.events(state.session);
  events.addEventListener("files", (event) => hear(JSON.parse(event.data)));
  events.onerror = () => {
    engine("failed", "No connection to the server");
    if (events.readyState === EventSource.CLOSED) setTimeout(recover, 1500);
  };
}

async function recover() {
  try {
    await begin();
  } catch {
    setTimeout(recover, 3000);
  }
}

async function hear(news) {
  engine(news.problem ? "failed" : news.ready ? "ready" : "loading", news.problem || (news.ready ? "Ready" : "Loading the models…"));
  if (news.ready && !state.known) {
    state.known = true;
    state.method = (await api.status()).method || state.method;
  }
  state.files = news.files;
  for (const file of news.files) finished(file);
  zipWhenDone();
  if (!state.files.some((file) => file.id === state.chosenFile)) state.chosenFile = null;
  const chosen = file();
  // Until a person has chosen, what is ready first is shown first.
  if (!state.chosenFile || (!state.picked && chosen && !chosen.opened && state.files.some((each) => each.opened))) {
    const first = state.files.find((file) => file.opened) || state.files[0];
    if (first && first.id !== state.chosenFile) open(first.id);
  }
  showSide();
  await refresh();
}

function engine(kind, text) {
  $("engine").dataset.kind = kind;
  if ($("engine").textContent !== text) $("engine").textContent = text;
}

// The list of files

function showSide() {
  showFiles(state.files, uploads.items, state.chosenFile, { open: pick, remove });
  $("desk").dataset.empty = String(!state.files.length && !uploads.items.length);
  const all = overall(state.files, uploads.items);
  $("overall").hidden = !state.files.length && !uploads.items.length;
  $("overall-bar").value = all.share;
  $("overall-text").textContent = all.text;
  const waiting = state.files.filter((file) => file.opened && file.state === "ready").length;
  $("save-all").disabled = !state.files.some((file) => file.opened);
  $("save-all").textContent = waiting || !state.files.some((file) => file.state === "saved") ? "Save all" : "Download all";
}

function pick(id) {
  state.picked = true;
  return open(id);
}

function open(id) {
  if (!state.files.some((each) => each.id === id)) return undefined;
  state.chosenFile = id;
  state.detections = null;
  state.chosen = null;
  state.page = 0;
  state.staged.clear();
  state.drawn = [];
  film.stop();
  film.place = 0;
  viewer.setDrawing(false);
  showSide();
  return refresh();
}

async function remove(id) {
  if (uploads.items.some((item) => item.key === id)) return uploads.remove(id);
  try {
    await api.remove(id);
  } catch (error) {
    alertUser(error.message);
  }
  return undefined;
}

// The file that is looked at

const file = () => state.files.find((each) => each.id === state.chosenFile) || null;
const faces = () => (state.detections ? state.detections.faces : []);
const currentFrame = () => (file() && file().kind === "film" ? film.frame : state.page);

async function refresh() {
  const now = file();
  $("welcome").hidden = Boolean(now) || state.files.length > 0;
  $("stage-area").hidden = !now || !now.opened;
  $("cards-area").hidden = !now || !now.opened;
  $("waiting").hidden = !now || now.opened;
  if (!now || !now.opened) return showWaiting(now);
  state.busy = now.state === "queued" || now.state === "working";
  const stale = !state.detections || (state.detections.version !== now.version && !state.busy);
  if (stale) {
    try {
      const got = await api.detections(now.id);
      if (got.id !== state.chosenFile) return undefined;
      state.detections = got;
      state.pictures = now.state === "working" ? state.pictures : got.version;
    } catch {
      return undefined;
    }
    if (now.kind === "film") film.load(state.detections.view);
    for (const message of state.detections.view.messages || []) alertUser(message);
  }
  showFile(now);
  showStage();
  return undefined;
}

function showWaiting(now) {
  if (!now) return;
  $("waiting-name").textContent = now.name;
  $("waiting-text").textContent = words(now);
  $("waiting").dataset.state = now.state;
  const step = now.progress;
  $("waiting-bar").hidden = now.state === "failed";
  if (step && step.total > 1) $("waiting-bar").value = step.done / step.total;
  else $("waiting-bar").removeAttribute("value");
}

function showFile(now) {
  $("viewer").dataset.version = state.detections.version;
  $("viewer").dataset.busy = String(state.busy);
  $("file-name").textContent = now.name;
  $("film").hidden = now.kind !== "film";
  $("pages").hidden = now.kind === "film" || state.detections.view.frames < 2;
  $("page").max = Math.max(0, state.detections.view.frames - 1);
  $("page-number").textContent = `${state.page + 1} of ${state.detections.view.frames}`;
  const message = state.busy ? words(now) : now.error ? `Not done: ${now.error}` : notes();
  $("file-message").hidden = !message;
  $("file-message").textContent = message;
  $("file-message").dataset.kind = now.error && !state.busy ? "failed" : "";
  $("save").disabled = state.busy;
  $("save").textContent = now.state === "saved" ? "Download again" : "Save";
  $("report").hidden = now.state !== "saved";
  $("report").href = api.report(now.id);
  $("report").download = `${now.name}.report.json`;
  $("draw").disabled = state.busy;
  $("staged").hidden = !stagedCount() || now.kind !== "film";
  $("staged-text").textContent = `${stagedCount()} correction${stagedCount() === 1 ? "" : "s"} to apply`;
  $("apply").disabled = state.busy;
  bulk();
}

function notes() {
  const list = state.detections.view.notes || [];
  const now = file();
  const kept = faces().filter((face) => face.decision.action === "keep").length;
  const parts = [...list.map((note) => `Note: ${note}`)];
  if (now.state === "saved") parts.unshift("Saved, and checked once more.");
  if (kept) parts.push(`${kept} ${kept === 1 ? "person is" : "people are"} kept, and named in the report.`);
  return parts.join(" ");
}

function showStage() {
  const now = file();
  if (!now || !state.detections) return;
  const view = state.detections.view;
  const frame = currentFrame();
  const size = now.kind === "film" ? view.size_wh : view.sizes_wh[state.page];
  viewer.show(api.image(now.id, "before", frame, state.pictures), api.image(now.id, "after", frame, state.pictures), size);
  viewer.boxes(state.showBoxes ? boxes(now, view, frame) : [], state.chosen);
  showCards(now, faces(), state, { choose, decide });
  if (now.kind === "film") film.timeline(now, faces(), state);
}

function boxes(now, view, frame) {
  const what = now.kind === "film" ? "Track" : "Face";
  const item = (face, box) => ({ face: face.face, box, kind: kindOf(face), label: `${what} ${face.face + 1}`, done: face.done });
  if (now.kind === "photo") return faces().filter((face) => face.frame === frame).map((face) => item(face, face.box_xyxy));
  const here = view.boxes[String(frame)] || [];
  return here.map(([track, x0, y0, x1, y1]) => [faces().find((face) => face.face === track), [x0, y0, x1, y1]])
    .filter(([face]) => face).map(([face, box]) => item(face, box));
}

// Decisions

function choose(number, focus = false) {
  state.chosen = number;
  const face = faces().find((each) => each.face === number);
  const now = file();
  if (!face || !now) return;
  if (now.kind === "film" && face.portrait !== null && face.portrait !== undefined) film.goToFrame(face.portrait);
  if (now.kind === "photo" && face.frame !== state.page) state.page = face.frame;
  showFile(now);
  showStage();
  const card = document.querySelector(`.card[data-face="${number}"]`);
  if (card) {
    card.scrollIntoView({ block: "nearest", behavior: window.matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
    if (focus) card.querySelector(".card-head").focus({ preventScroll: true });
  }
}

function decide(number, decision) {
  stage({ face: number, ...decision });
}

// A photo's corrections are done at once; a video's wait until they are applied together.
function stage(correction) {
  const now = file();
  if (!now) return;
  if (state.busy) {
    say("Wait: the file is being worked on.");
    return;
  }
  if (correction.action === "draw") state.drawn.push(correction);
  else state.staged.set(correction.face, correction);
  say(correction.action === "draw" ? "Face added." : "Correction taken.");
  if (now.kind === "photo") {
    clearTimeout(flush);
    flush = setTimeout(apply, 120);
  }
  showFile(now);
  showStage();
}

// What an answer says of a file is newer than what the last event said.
function absorb(answer) {
  state.files = state.files.map((each) => (each.id === answer.id && each.version <= answer.version ? answer : each));
}

const stagedCount = () => state.staged.size + state.drawn.length;

async function apply() {
  const now = file();
  if (!now || !stagedCount()) return;
  const corrections = [...state.staged.values(), ...state.drawn];
  state.staged.clear();
  state.drawn = [];
  try {
    absorb(await api.correct(now.id, corrections));
  } catch (error) {
    alertUser(error.message);
  }
  await refresh();
}

function bulk() {
  const every = (decision) => () => {
    for (const face of faces()) if (!["keep", "not_a_face"].includes(face.decision.action)) state.staged.set(face.face, { face: face.face, ...decision });
    clearTimeout(flush);
    apply();
  };
  const choices = [["Blur", { action: "cover", method: "blur", strength: 1 }], ["Pixelate", { action: "cover", method: "pixelate", strength: 1 }],
    ["One colour", { action: "cover", method: "solid" }], ["Undo all", { action: "restore" }]];
  if (!$("bulk").children.length) {
    $("bulk").append(...choices.map(([text, decision]) => make("button", { type: "button", text, on: { click: every(decision) } })));
  }
  for (const button of $("bulk").children) button.disabled = state.busy;
}

// Saving

async function save(id) {
  const now = state.files.find((each) => each.id === id);
  if (!now) return;
  if (now.state === "saved") return void download(now);
  try {
    if (id === state.chosenFile && stagedCount()) await apply();
    state.wantedDownloads.add(id);
    absorb(await api.save(id));
    await refresh();
    say(`Saving ${now.name}.`);
  } catch (error) {
    state.wantedDownloads.delete(id);
    alertUser(error.message);
  }
}

function finished(now) {
  if (!state.wantedDownloads.has(now.id) || now.pending) return;
  state.wantedDownloads.delete(now.id);
  if (now.state === "saved") download(now);
  else alertUser(`${now.name} was not saved: ${now.error}`);
}

function download(now) {
  fetchTo(api.result(now.id));
  say(`${now.name} is saved.`);
}

function fetchTo(address, name) {
  const link = make("a", { href: address, download: name || "" });
  document.body.append(link);
  link.click();
  link.remove();
}

async function saveAll() {
  const open = state.files.filter((each) => each.opened);
  state.wantedZip = new Set(open.map((each) => each.id));
  for (const each of open.filter((one) => one.state !== "saved")) {
    try {
      absorb(await api.save(each.id));
    } catch (error) {
      alertUser(error.message);
    }
  }
  zipWhenDone();
}

function zipWhenDone() {
  if (!state.wantedZip) return;
  const wanted = state.files.filter((each) => state.wantedZip.has(each.id));
  if (wanted.some((each) => each.pending || each.state === "queued" || each.state === "working")) return;
  state.wantedZip = null;
  for (const each of wanted) if (each.state !== "saved") alertUser(`${each.name} was not saved: ${each.error || each.state}`);
  if (wanted.some((each) => each.state === "saved")) fetchTo(api.results(state.session));
}

// Keys and mouse

function step(by, onlyDoubtful) {
  const shown = sorted(faces()).filter((face) => !(onlyDoubtful || state.onlyDoubtful) || face.doubts.length);
  if (!shown.length) return say(onlyDoubtful ? "No face is doubtful." : "There are no faces.");
  const at = shown.findIndex((face) => face.face === state.chosen);
  return choose(shown[(at + by + shown.length) % shown.length].face, true);
}

function act(action) {
  if (state.chosen === null) return say("Choose a face first: N.");
  const card = document.querySelector(`.card[data-face="${state.chosen}"]`);
  if (action !== "cover" || !card) return decide(state.chosen, { action });
  return decide(state.chosen, coverOf(card.querySelector(".cover-method"), card.querySelector(".cover-strength")));
}

const KEYS = {
  n: () => step(1), p: () => step(-1), j: () => step(1, true), x: () => act("not_a_face"), k: () => act("keep"), r: () => act("again"),
  c: () => act("cover"), u: () => act("restore"), d: () => viewer.setDrawing(!viewer.drawing, true), b: () => toggleBoxes(),
  ",": () => film.go(film.place - 1), ".": () => film.go(film.place + 1), a: () => apply(), s: () => save(state.chosenFile), "?": () => $("help").showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog[open]") || !$("single-keys").checked) return;
  if (event.key === "Escape" && viewer.drawing) viewer.setDrawing(false);
  const key = KEYS[event.key.toLowerCase()];
  if (!key) return;
  event.preventDefault();
  key();
});

function toggleBoxes() {
  state.showBoxes = !state.showBoxes;
  $("toggle-boxes").setAttribute("aria-pressed", String(state.showBoxes));
  showStage();
}

function take(files) {
  if (files.length) uploads.add(files, state.session);
}

for (const name of ["dragenter", "dragover"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    document.body.classList.add("dragging");
  });
}
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("dragging");
});
document.addEventListener("drop", async (event) => {
  event.preventDefault();
  document.body.classList.remove("dragging");
  take(await dropped(event.dataTransfer));
});
for (const [button, input] of [["choose-files", "input-files"], ["choose-folder", "input-folder"]]) {
  $(button).addEventListener("click", () => $(input).click());
  $(input).addEventListener("change", () => {
    take([...$(input).files]);
    $(input).value = "";
  });
}
$("toggle-boxes").addEventListener("click", toggleBoxes);
$("draw").addEventListener("click", (event) => viewer.setDrawing(!viewer.drawing, event.detail === 0));
$("save").addEventListener("click", () => save(state.chosenFile));
$("save-all").addEventListener("click", saveAll);
$("apply").addEventListener("click", apply);
$("help-open").addEventListener("click", () => $("help").showModal());
$("only-doubtful").addEventListener("change", (event) => {
  state.onlyDoubtful = event.target.checked;
  showStage();
});
$("page").addEventListener("input", (event) => {
  state.page = Number(event.target.value);
  showFile(file());
  showStage();
});
$("theme").addEventListener("click", () => {
  const dark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === "dark" : window.matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("theme", document.documentElement.dataset.theme);
});
window.addEventListener("beforeunload", (event) => {
  if (state.files.some((each) => each.opened && each.state === "ready") || uploads.items.some((item) => item.going)) event.preventDefault();
});

const theme = localStorage.getItem("theme");
if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
begin().catch((error) => alertUser(error.message));
