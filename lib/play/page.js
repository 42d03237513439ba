// In a static page: finds the places to play in, fetches their tables, and stands in for the notebook's widget model.

const companion = (window.companion = { tables: {} }); // filled by the table files, which are scripts: those load from a disk, too
const RENDER = { disentangle: renderDisentangle, players: renderPlayers };

// What a view needs of a widget model, and no more.
class Model {
  constructor(fields) {
    this.fields = { ...fields };
    this.listeners = {};
  }
  get(name) { return this.fields[name]; }
  set(name, value) { this.fields[name] = value; }
  save_changes() {}
  on(event, callback) { (this.listeners[event] ??= []).push(callback); }
  off() {}
}

function binary(text) {
  const characters = atob(text), bytes = new Uint8Array(characters.length);
  for (let k = 0; k < bytes.length; k++) bytes[k] = characters.charCodeAt(k);
  return new DataView(bytes.buffer);
}

function load(experiment, folder) {
  return new Promise((done, failed) => {
    if (companion.tables[experiment]) return done(companion.tables[experiment]);
    document.head.append(make("script", { src: `${folder}/${experiment}.js`, onload: () => done(companion.tables[experiment]), onerror: failed }));
  });
}

async function start(place) {
  const { view, experiments, folder } = place.dataset, names = experiments.split(" ");
  const stage = make("div"), open = async (k) => {
    const fields = { ...(await load(names[k], folder))[view] };
    for (const name of ["tables", "values", "strength", "decays"]) if (fields[name]) fields[name] = binary(fields[name]);
    RENDER[view]({ model: new Model(fields), el: stage });
    place.dataset.ready = names[k];
  };
  place.replaceChildren(...(names.length > 1 ? [choice("Experiment", names, 0, open)] : []), stage);
  await open(0);
}

document.querySelectorAll(".play-here").forEach((place) => start(place).catch((error) => {
  place.replaceChildren(make("p", { class: "play-failed" }, `The tables could not be loaded (${error.message ?? "the file is missing"}).`));
  console.error(error);
}));
