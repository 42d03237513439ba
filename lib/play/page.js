// In a static page: finds the places to play in, fetches their tables, and stands in for the notebook's widget model.

const companion = (window.companion = { packed: {} }); // filled by the table files, which are scripts: those load from a disk, too
const RENDER = { disentangle: renderDisentangle, training: renderTraining, players: renderPlayers };

// What a view needs of a widget model, and no more.
class Model {
  constructor(fields, saved) {
    this.fields = { ...fields };
    this.listeners = {};
    this.save_changes = () => saved(this);
  }
  get(name) { return this.fields[name]; }
  set(name, value) { this.fields[name] = value; }
  on(event, callback) { (this.listeners[event] ??= []).push(callback); }
  off() {}
  // From the page's side: the view shows what changed.
  change(values) {
    Object.assign(this.fields, values);
    const heard = Object.keys(values).flatMap((name) => this.listeners[`change:${name}`] ?? []);
    new Set(heard).forEach((callback) => callback());
  }
}

const bytes = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
const binary = (text) => new DataView(bytes(text).buffer);

async function load(experiment, folder) {
  if (!companion.packed[experiment]) {
    await new Promise((done, failed) => document.head.append(make("script", { src: `${folder}/${experiment}.js`, onload: done, onerror: failed })));
  }
  const unzipped = new Blob([bytes(companion.packed[experiment])]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(unzipped).json();
}

const PLACES = [...document.querySelectorAll(".play-here")], MENU = document.querySelector(".play-menu");
const MOVED = ["alpha", "beta", "delta", "gamma"];
const state = { experiment: null, models: {} }; // models by their view

// The address says what is shown, so that it can be kept, and that a chapter can lead to it:
// #experiment=digits-vgg&timepoint=D&zeta=0&ties=high&delta=0.001&epoch=50&sample=2&off=1.4&part=players
const asked = () => Object.fromEntries(new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : ""));

function address() {
  const { disentangle, training, players } = state.models, told = new URLSearchParams({ experiment: state.experiment });
  const one = disentangle ?? players, condition = one.get("condition");
  told.set("timepoint", timepoints(one)[condition]);
  if (disentangle) {
    const { fit: fitted, home } = sourcesOf(disentangle), fit = fitted(condition);
    for (const name of CHOSEN) if (disentangle.get(name) !== home[name]) told.set(name, disentangle.get(name));
    for (const name of MOVED) if (disentangle.get(name) !== fit[name]) told.set(name, Number(disentangle.get(name).toPrecision(6)));
  }
  if (training && training.get("checkpoint") !== checkpointOf(timepoints(one)[condition])) {
    told.set("epoch", training.get("checkpoints")[training.get("checkpoint")].epoch);
  }
  if (players) {
    const n = players.get("n"), off = Array.from({ length: n }, (_, k) => k + 1).filter((k) => !(players.get("present") & (1 << (k - 1))));
    if (players.get("sample")) told.set("sample", players.get("sample") + 1);
    if (off.length) told.set("off", off.join("."));
  }
  return `#${told}`;
}

let writing = null;
function keep() {
  clearTimeout(writing); // a browser refuses an address that changes with each move of a slider
  writing = setTimeout(() => history.replaceState(null, "", address()), 250);
}

const timepoints = (model) => (model === state.models.disentangle ? sourcesOf(model).names : model.get("conditions"));

// The checkpoint of a timepoint, or of B, which noise is on.
const checkpointOf = (name) => {
  const known = state.models.training.get("timepoints");
  return known[name] ?? known.B ?? state.models.training.get("checkpoints").length - 1;
};

// All views at a timepoint: the sliders at what `from` asks of them, or else at the least-squares split and at its epoch.
function goTo(condition, from = {}) {
  const { disentangle, training, players } = state.models;
  if (disentangle) {
    const { fit, levels } = sourcesOf(disentangle), values = {};
    for (const name of CHOSEN) {
      const level = levels[name].find((one) => String(one) === from[name]);
      if (level !== undefined) disentangle.set(name, level);
    }
    Object.assign(values, { condition, ...fit(condition) });
    for (const name of MOVED) if (Number.isFinite(parseFloat(from[name]))) values[name] = parseFloat(from[name]);
    disentangle.change(values);
  }
  if (training) {
    const asked = training.get("checkpoints").findIndex(({ epoch }) => String(epoch) === from.epoch);
    training.change({ checkpoint: asked < 0 ? checkpointOf(timepoints(disentangle ?? players)[condition]) : asked });
  }
  if (players) {
    const count = players.get("samples").length, n = players.get("n"), places = players.get("conditions");
    const name = disentangle ? sourcesOf(disentangle).names[condition] : places[condition];
    const values = { condition: places.includes(name) ? places.indexOf(name) : Math.max(0, places.indexOf("B")) }; // noise is on B
    if (from.sample) values.sample = Math.min(Math.max(1, parseInt(from.sample) || 1), count) - 1;
    if (from.off) values.present = from.off.split(".").reduce((left, k) => (k >= 1 && k <= n ? left & ~(1 << (k - 1)) : left), 2 ** n - 1);
    players.change(values);
  }
}

async function open(names, experiment, from = {}) {
  const tables = await load(experiment, PLACES[0].dataset.folder);
  state.experiment = experiment;
  state.models = {};
  for (const place of PLACES) {
    const { view } = place.dataset, section = place.closest("section");
    if (section) section.hidden = !tables[view]; // of a training there may be nothing to show
    if (!tables[view]) continue;
    const fields = { ...tables[view], shared: Boolean(MENU) };
    for (const name of ["tables", "values", "strength", "decays", "few_strength", "few_decays"]) if (fields[name]) fields[name] = binary(fields[name]);
    const stage = make("div"), sample = parseInt(from.sample) - 1;
    if (view === "players" && sample >= 0 && sample < fields.samples.length) fields.sample = sample; // its menu is made with it
    state.models[view] = new Model(fields, keep);
    RENDER[view]({ model: state.models[view], el: stage });
    place.replaceChildren(stage);
  }
  const one = state.models.disentangle ?? state.models.players, place = timepoints(one).indexOf(from.timepoint);
  const condition = place < 0 ? one.get("condition") : place;
  goTo(condition, from);
  menu(names, one, condition);
  for (const place of PLACES) place.dataset.ready = experiment;
}

function menu(names, model, condition) {
  if (!MENU) return;
  const known = timepoints(model), told = model === state.models.disentangle ? sourcesOf(model).labels : known;
  const switched = () => { // what was chosen stays chosen where the other experiment has it
    const { disentangle } = state.models, moved = disentangle ? CHOSEN.filter((name) => disentangle.get(name) !== sourcesOf(disentangle).home[name]) : [];
    return Object.fromEntries(moved.map((name) => [name, String(disentangle.get(name))]));
  };
  const go = (experiment, timepoint) => open(names, experiment, { timepoint, ...switched() }).then(keep);
  const one = names.length > 1 ? [choice("Experiment", names, names.indexOf(state.experiment), (k) => go(names[k], known[MENU.querySelector("[data-menu=timepoint] select").value]))] : [];
  const two = choice("Timepoint", told, condition, (k) => { goTo(k); keep(); });
  two.dataset.menu = "timepoint";
  const had = MENU.contains(document.activeElement) && [...MENU.querySelectorAll("select")].indexOf(document.activeElement);
  MENU.replaceChildren(...one, two);
  if (had !== false) MENU.querySelectorAll("select")[had]?.focus(); // it was made anew
}

function failed(error) {
  for (const place of PLACES)
    place.replaceChildren(make("p", { class: "play-failed" }, `The tables could not be loaded (${error.message ?? "the file is missing"}).`));
  console.error(error);
}

function follow() {
  const names = PLACES[0].dataset.experiments.split(" "), from = asked();
  const experiment = names.includes(from.experiment) ? from.experiment : names[0];
  return open(names, experiment, from).then(() => {
    if (from.part) document.querySelector(`.play-here[data-view="${CSS.escape(from.part)}"]`)?.scrollIntoView({ behavior: "instant" });
  }).catch(failed);
}

if (PLACES.length) {
  window.addEventListener("hashchange", () => { if (location.hash.includes("=")) follow(); });
  follow();
}
