// Eq. 6 to 9 under the reader's hand: decay and spindle over the measured A(m), and what they leave.

const FIELDS = [
  { name: "alpha", sign: "α", what: "stretch of the spindle; it peaks at order αn/2", low: 0.3, high: 2, step: 0.001 },
  { name: "beta", sign: "β", what: "size of the spindle", low: 0, high: 1, power: 3 },
  { name: "delta", sign: "δ", what: "uncertainty behind the decay", low: 1e-6, high: 10, log: true },
  { name: "gamma", sign: "γ", what: "size of the decay", low: 0, high: 2, step: 0.001 },
];
const POSITIONS = 10000; // of a slider
const KEYS = { ArrowRight: 100, ArrowUp: 100, ArrowLeft: -100, ArrowDown: -100, PageUp: 1000, PageDown: -1000 }; // positions

// A field's value at a slider's position between 0 and 1, and back.
function valueAt(field, x) {
  if (field.log) return field.low * (field.high / field.low) ** x;
  return field.low + (field.high - field.low) * x ** (field.power ?? 1);
}

function positionOf(field, value) {
  const x = field.log
    ? Math.log(value / field.low) / Math.log(field.high / field.low)
    : Math.max(0, (value - field.low) / (field.high - field.low)) ** (1 / (field.power ?? 1));
  return Math.min(1, Math.max(0, x));
}

// model: n, samples, conditions [{name, tau, z, fit: {alpha, beta, delta, gamma}}], strength (condition, sign, order), decays
// of a condition's own I* with γ = 1 (condition, δ, sign, order), deltas [low, high, count], alpha_range of the fits, before
// (the condition whose bars are outlined behind those of the others, or null), converged (the condition of that I*), shared
// (true where the page has a menu of timepoints), condition, alpha, beta, delta, gamma; zeta, ties, reference and delta_min as
// chosen, home (these four by default), and few {zetas, ties, conditions, labels, samples, of, deltas} or null, with
// few_strength and few_decays as strength and decays, of all ζ and ties.
function renderDisentangle({ model, el }) {
  const n = model.get("n"), before = model.get("before"), sources = sourcesOf(model), { labels, levels, home } = sources;
  const decayOf = ({ decays, deltas }, delta) => decayBetween(decays, deltas, delta, n);

  const set = (values) => {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    model.save_changes();
    show();
  };
  const setToFit = () => set(sources.fit(model.get("condition")));
  const scaled = (field) => {
    if (field.name !== "beta") return field;
    const condition = model.get("condition"); // how large a β is large depends on A
    return { ...field, high: Math.max(10 * sources.fit(condition).beta, highest(sources.at(condition).strength) / 4) };
  };

  const sliders = FIELDS.map((field) => {
    const move = (position) => set({ [field.name]: valueAt(scaled(field), Math.min(1, Math.max(0, position / POSITIONS))) });
    const input = make("input", { type: "range", min: 0, max: POSITIONS, step: 1, "aria-label": `${field.sign}, ${field.what}`,
      "data-field": field.name, oninput: () => move(Number(input.value)), onkeydown: (event) => {
        if (!KEYS[event.key]) return;
        event.preventDefault(); // a step of one position would not be seen
        move(Number(input.value) + KEYS[event.key]);
      } });
    const output = make("output", { "data-shows": field.name });
    const mark = field.name === "delta" && make("span", { class: "play-mark" });
    const what = make("small", {}, field.what);
    const row = make("label", { class: "play-slider" }, make("b", {}, field.sign), make("span", { class: "play-track" }, input, ...(mark ? [mark] : [])), output, what);
    return { field, input, output, row, mark, what };
  });
  const pictures = make("div", { class: "play-pictures" });
  const numbers = make("p", { class: "play-numbers", "aria-live": "polite" });
  const table = splitTable();

  const splitAt = (source, at) => split(source.strength, decayOf(source, at.delta), at, n);

  function show() {
    const condition = model.get("condition"), source = sources.at(condition), { strength } = source;
    const at = Object.fromEntries(FIELDS.map(({ name }) => [name, model.get(name)]));
    const result = splitAt(source, at), least = model.get("delta_min");
    for (const { field, input, output, mark, what } of sliders) {
      input.value = Math.round(POSITIONS * positionOf(scaled(field), at[field.name]));
      input.setAttribute("aria-valuetext", `${field.sign} = ${shown(at[field.name])}`);
      output.textContent = shown(at[field.name]);
      mark && mark.setAttribute("style", `--at: ${positionOf(field, least)}`);
      mark && (what.textContent = `${field.what}; the mark: ${shown(least, 1)}, the least that the fit may take`);
    }
    for (const { name, select } of switches) select.value = String(Math.max(0, levels[name].indexOf(model.get(name))));
    task.textContent = whatToLookFor();
    const other = before !== null && before !== undefined && before !== condition ? [{ kind: "before", rows: source.outline(before) }] : [];
    const reach = 1.08 * Math.max(highest(strength), ...other.map(({ rows }) => highest(rows)));
    const left = result.residual.map((row) => row.map(Math.abs));
    pictures.replaceChildren(
      chart("Measured strength by order as bars, with decay, spindle and their sum as lines", n, reach, [
        { kind: "strength", rows: strength }, ...other, ...splitLines(result)], 330),
      chart("Magnitude of the residual by order", n, reach, [{ kind: "residual", rows: left }], 200));
    el.querySelector(".play-key .before")?.toggleAttribute("hidden", !other.length);
    numbers.replaceChildren(
      "residual ", make("b", { "data-number": "residual", "data-value": result.relativeResidual }, `${shown(100 * result.relativeResidual, 3)} %`),
      " of A · decay ", make("b", { "data-number": "decay", "data-value": result.decayStrength }, shown(result.decayStrength)),
      " · spindle ", make("b", { "data-number": "spindle", "data-value": result.spindleStrength }, shown(result.spindleStrength)),
      ` (strength, in units of Z${elsewhere(condition)}; mean over ${source.samples}${source.of > source.samples ? ` of ${source.of}` : ""} samples)`);
    table.show(strength, result);
  }

  // Whose Z the unit is where it is not that of the bars themselves.
  function elsewhere(condition) {
    const moved = model.get("zeta") !== home.zeta || model.get("ties") !== home.ties;
    const told = [...(sources.noisy(condition) ? ["at B"] : []), ...(moved ? [`at ζ = ${percent(home.zeta)}, ties ${home.ties}`] : [])];
    return told.length ? ` ${told.join(" ")}` : "";
  }

  // What to look for, with the numbers of the least-squares fits: from the outlined condition to the converged one.
  function whatToLookFor() {
    const last = model.get("conditions").length - 1;
    if (before === null || before === undefined || before === last) return "";
    const [one, two] = [before, last].map((c) => shown(splitAt(sources.at(c), sources.fit(c)).spindleStrength, 2));
    return `${labels[before]} → ${labels[last]}: the outlines are the bars at ${labels[before]}. Look at the middle orders, `
      + `where the orange spindle goes from ${one} to ${two} units of Z at least squares.`;
  }

  const task = make("p", { class: "play-task" });
  const told = { zeta: percent, delta_min: (level) => shown(level, 1), reference: (level) => WHOSE[level], ties: (level) => `to ${level} orders` };
  const switches = [["zeta", "ζ"], ["ties", "ties"], ["reference", "I*"], ["delta_min", "least δ"]]
    .filter(([name]) => levels[name].length > 1).map(([name, label]) => {
      const row = choice(label, levels[name].map(told[name]), levels[name].indexOf(model.get(name)), (k) => {
        model.set(name, levels[name][k]);
        setToFit();
      });
      row.dataset.switch = name;
      return { name, row, select: row.querySelector("select") };
    });
  const header = make("div", { class: "play-header" },
    ...(model.get("shared") ? [] : [choice("Timepoint", labels, model.get("condition"), (condition) => { model.set("condition", condition); setToFit(); })]),
    make("button", { type: "button", "data-action": "fit", onclick: setToFit }, "Least squares (Eq. 9)"),
    make("button", { type: "button", "data-action": "pair", onclick: () => {
      const source = sources.at(model.get("condition"));
      const { beta, gamma } = bestPair(source.strength, spindle(model.get("alpha"), 1, n), decayOf(source, model.get("delta")));
      set({ beta, gamma });
    } }, "Best β, γ for this α, δ"));
  const kinds = [["strength", "measured A"], ["before", `A at ${labels[before] ?? ""}`], ["decay", "decay"], ["spindle", "spindle"],
    ["total", "decay + spindle"], ["residual", "|residual|, below"]];
  const key = make("p", { class: "play-key" }, ...kinds.map(([kind, name]) => make("span", { class: kind }, name)));
  el.replaceChildren(make("div", { class: "play disentangle" }, task, header, make("div", { class: "play-header play-switches" }, ...switches.map(({ row }) => row)), key, pictures, numbers,
    make("div", { class: "play-sliders" }, ...sliders.map(({ row }) => row)), table.fold));
  const follow = () => show();
  const followed = ["condition", ...CHOSEN, ...FIELDS.map(({ name }) => name)];
  for (const name of followed) model.on(`change:${name}`, follow);
  show();
  return () => followed.forEach((name) => model.off(`change:${name}`, follow));
}
