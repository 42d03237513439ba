// Eq. 6 to 9 under the reader's hand: decay and spindle over the measured A(m), and what they leave.

const FIELDS = [
  { name: "alpha", sign: "α", what: "stretch of the spindle; it peaks at order αn/2", low: 0.3, high: 2, step: 0.001 },
  { name: "beta", sign: "β", what: "size of the spindle", low: 0, high: 1, power: 3 },
  { name: "delta", sign: "δ", what: "uncertainty behind the decay", low: 1e-5, high: 10, log: true },
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
// with γ = 1 (condition, δ, sign, order), deltas [low, high, count], delta_min of the fits, before (the condition whose bars
// are outlined behind those of the others, or null), shared (true where the page has a menu of timepoints), condition,
// alpha, beta, delta, gamma.
function renderDisentangle({ model, el }) {
  const n = model.get("n"), conditions = model.get("conditions"), samples = model.get("samples");
  const deltas = model.get("deltas"), least = model.get("delta_min"), before = model.get("before");
  const bars = unpack(model.get("strength"), conditions.length * 2 * n);
  const measured = conditions.map((_, c) => [0, 1].map((sign) => bars.subarray((2 * c + sign) * n, (2 * c + sign + 1) * n)));
  const size = deltas[2] * 2 * n, decays = unpack(model.get("decays"), conditions.length * size);
  const decayAt = (condition, delta) => decayBetween(decays.subarray(condition * size, (condition + 1) * size), deltas, delta, n);
  const names = conditions.map(({ name }) => name), highest = (rows) => Math.max(...rows.flatMap((row) => [...row]));

  const set = (values) => {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    model.save_changes();
    show();
  };
  const setToFit = () => set(conditions[model.get("condition")].fit);
  const scaled = (field) => {
    if (field.name !== "beta") return field;
    const condition = model.get("condition"); // how large a β is large depends on A
    return { ...field, high: Math.max(10 * conditions[condition].fit.beta, highest(measured[condition]) / 4) };
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
    const mark = field.name === "delta" && make("span", { class: "play-mark", style: `--at: ${positionOf(field, least)}`, title: `least δ of the fit: ${shown(least)}` });
    const what = mark ? `${field.what}; the mark: ${shown(least, 1)}, the least that the fit may take` : field.what;
    const row = make("label", { class: "play-slider" }, make("b", {}, field.sign), make("span", { class: "play-track" }, input, ...(mark ? [mark] : [])), output, make("small", {}, what));
    return { field, input, output, row };
  });
  const pictures = make("div", { class: "play-pictures" });
  const numbers = make("p", { class: "play-numbers", "aria-live": "polite" });
  const cells = make("tbody");
  const table = make("details", { class: "play-table" }, make("summary", {}, "The numbers"),
    make("div", { class: "play-scroll", tabindex: 0, role: "region", "aria-label": "strength by order, in numbers" }, make("table", {},
      make("thead", {}, make("tr", {}, ...["m", "sign", "A", "decay", "spindle", "residual"].map((name) => make("th", { scope: "col" }, name)))), cells)));

  const splitAt = (condition, at) => split(measured[condition], decayAt(condition, at.delta), at, n);

  function show() {
    const condition = model.get("condition"), strength = measured[condition];
    const at = Object.fromEntries(FIELDS.map(({ name }) => [name, model.get(name)]));
    const result = splitAt(condition, at);
    for (const { field, input, output } of sliders) {
      input.value = Math.round(POSITIONS * positionOf(scaled(field), at[field.name]));
      input.setAttribute("aria-valuetext", `${field.sign} = ${shown(at[field.name])}`);
      output.textContent = shown(at[field.name]);
    }
    const both = [result.spindle, result.spindle];
    const total = result.decay.map((row) => row.map((value, m) => value + result.spindle[m]));
    const other = before !== null && before !== undefined && before !== condition ? [{ kind: "before", rows: measured[before] }] : [];
    const reach = 1.08 * Math.max(highest(strength), ...other.map(({ rows }) => highest(rows)));
    const left = result.residual.map((row) => row.map(Math.abs));
    pictures.replaceChildren(
      chart("Measured strength by order as bars, with decay, spindle and their sum as lines", n, reach, [
        { kind: "strength", rows: strength }, ...other, { kind: "decay", rows: result.decay, line: true },
        { kind: "spindle", rows: both, line: true }, { kind: "total", rows: total, line: true }], 330),
      chart("Magnitude of the residual by order", n, reach, [{ kind: "residual", rows: left }], 200));
    el.querySelector(".play-key .before")?.toggleAttribute("hidden", !other.length);
    numbers.replaceChildren(
      "residual ", make("b", { "data-number": "residual", "data-value": result.relativeResidual }, `${shown(100 * result.relativeResidual, 3)} %`),
      " of A · decay ", make("b", { "data-number": "decay", "data-value": result.decayStrength }, shown(result.decayStrength)),
      " · spindle ", make("b", { "data-number": "spindle", "data-value": result.spindleStrength }, shown(result.spindleStrength)),
      ` (strength, in units of Z; mean over ${samples} samples)`);
    cells.replaceChildren(...["+", "−"].flatMap((sign, k) => Array.from(strength[k], (value, m) =>
      make("tr", {}, ...[m + 1, sign, value, result.decay[k][m], result.spindle[m], result.residual[k][m]].map((cell, column) =>
        make("td", column > 1 ? { "data-value": cell } : {}, column > 1 ? shown(cell) : String(cell)))))));
  }

  // What to look for, with the numbers of the least-squares fits: from the outlined condition to the last one.
  function task() {
    if (before === null || before === undefined || before === conditions.length - 1) return [];
    const [first, last] = [before, conditions.length - 1].map((c) => shown(splitAt(c, conditions[c].fit).spindleStrength, 2));
    return [make("p", { class: "play-task" }, `${names[before]} → ${names.at(-1)}: the outlines are the bars at ${names[before]}. Look at the middle orders, `
      + `where the orange spindle goes from ${first} to ${last} units of Z at least squares.`)];
  }

  const header = make("div", { class: "play-header" },
    ...(model.get("shared") ? [] : [choice("Timepoint", names, model.get("condition"), (condition) => { model.set("condition", condition); setToFit(); })]),
    make("button", { type: "button", "data-action": "fit", onclick: setToFit }, "Least squares (Eq. 9)"),
    make("button", { type: "button", "data-action": "pair", onclick: () => {
      const condition = model.get("condition"), unit = decayAt(condition, model.get("delta"));
      set(bestPair(measured[condition], spindle(model.get("alpha"), 1, n), unit));
    } }, "Best β, γ for this α, δ"));
  const kinds = [["strength", "measured A"], ["before", `A at ${names[before] ?? ""}`], ["decay", "decay"], ["spindle", "spindle"],
    ["total", "decay + spindle"], ["residual", "|residual|, below"]];
  const key = make("p", { class: "play-key" }, ...kinds.map(([kind, name]) => make("span", { class: kind }, name)));
  el.replaceChildren(make("div", { class: "play disentangle" }, ...task(), header, key, pictures, numbers,
    make("div", { class: "play-sliders" }, ...sliders.map(({ row }) => row)), table));
  const follow = () => show();
  for (const name of ["condition", ...FIELDS.map((field) => field.name)]) model.on(`change:${name}`, follow);
  show();
  return () => ["condition", ...FIELDS.map(({ name }) => name)].forEach((name) => model.off(`change:${name}`, follow));
}
