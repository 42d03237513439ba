// Eq. 6 to 9 under the reader's hand: decay and spindle over the measured A(m), and what they leave.

const FIELDS = [
  { name: "alpha", sign: "α", what: "stretch of the spindle; it peaks at order αn/2", low: 0.3, high: 2, step: 0.001 },
  { name: "beta", sign: "β", what: "size of the spindle", low: 0, high: 1, power: 3 },
  { name: "delta", sign: "δ", what: "uncertainty behind the decay", low: 1e-3, high: 10, log: true },
  { name: "gamma", sign: "γ", what: "size of the decay", low: 0, high: 2, step: 0.001 },
];
const POSITIONS = 10000; // of a slider

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

// The least of 1, 2 and 5 times a power of ten of which at most `count` fit into `reach`.
function tickStep(reach, count) {
  const power = 10 ** Math.floor(Math.log10(reach / count));
  return power * [1, 2, 5, 10].find((factor) => reach / (power * factor) <= count);
}

// Bars and curves by order, positive strengths up, negative ones down. `series`: [{kind, rows, line}].
function chart(title, n, reach, series, height) {
  const width = 560, left = 50, right = 8, top = 10, bottom = 46;
  const x = (m) => left + ((m - 0.5) / n) * (width - left - right), middle = (top + height - bottom) / 2;
  const y = (value) => middle - (value / reach) * (middle - top);
  const picture = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title, class: "play-chart" });
  const step = tickStep(reach, Math.floor((middle - top) / 30));
  for (let k = -Math.floor(reach / step); k <= reach / step; k++) {
    const value = k * step;
    picture.append(draw("line", { x1: left, x2: width - right, y1: y(value), y2: y(value), class: k ? "grid" : "axis" }));
    picture.append(draw("text", { x: left - 6, y: y(value) + 4, class: "tick", "text-anchor": "end" }, String(Number(Math.abs(value).toPrecision(2)))));
  }
  for (let m = 1; m <= n; m++)
    picture.append(draw("text", { x: x(m), y: height - 27, class: "tick", "text-anchor": "middle" }, String(m)));
  picture.append(draw("text", { x: (left + width - right) / 2, y: height - 5, class: "tick", "text-anchor": "middle" }, "order m"));
  const bar = (0.76 * (width - left - right)) / n;
  for (const { kind, rows, line } of series) {
    rows.forEach((row, sign) => {
      const heights = Array.from(row, (value) => (sign ? -value : value));
      if (line) {
        const points = heights.map((value, k) => `${x(k + 1).toFixed(2)},${y(value).toFixed(2)}`);
        picture.append(draw("polyline", { points: points.join(" "), class: `line ${kind}` }));
        points.forEach((p) => picture.append(draw("circle", { cx: p.split(",")[0], cy: p.split(",")[1], r: 3, class: `dot ${kind}` })));
      } else {
        heights.forEach((value, k) => picture.append(draw("rect", {
          x: x(k + 1) - bar / 2, width: bar, y: Math.min(y(0), y(value)), height: Math.abs(y(value) - y(0)), class: `bar ${kind}`,
        })));
      }
    });
  }
  return picture;
}

// model: n, samples, conditions [{name, tau, z, fit: {alpha, beta, delta, gamma}}], strength (condition, sign, order), decays
// with γ = 1 (condition, δ, sign, order), deltas [low, high, count], condition, alpha, beta, delta, gamma.
function renderDisentangle({ model, el }) {
  const n = model.get("n"), conditions = model.get("conditions"), samples = model.get("samples");
  const deltas = model.get("deltas"), bars = unpack(model.get("strength"), conditions.length * 2 * n);
  const measured = conditions.map((_, c) => [0, 1].map((sign) => bars.subarray((2 * c + sign) * n, (2 * c + sign + 1) * n)));
  const size = deltas[2] * 2 * n, decays = unpack(model.get("decays"), conditions.length * size);
  const decayAt = (condition, delta) => decayBetween(decays.subarray(condition * size, (condition + 1) * size), deltas, delta, n);

  const set = (values) => {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    model.save_changes();
    show();
  };
  const setToFit = () => set(conditions[model.get("condition")].fit);
  const scaled = (field) => {
    if (field.name !== "beta") return field;
    const condition = model.get("condition"); // how large a β is large depends on A
    const most = Math.max(...measured[condition].flatMap((row) => [...row]));
    return { ...field, high: Math.max(10 * conditions[condition].fit.beta, most / 4) };
  };

  const sliders = FIELDS.map((field) => {
    const input = make("input", { type: "range", min: 0, max: POSITIONS, step: 1, "aria-label": `${field.sign}, ${field.what}`,
      "data-field": field.name, oninput: () => set({ [field.name]: valueAt(scaled(field), input.value / POSITIONS) }) });
    const output = make("output", { "data-shows": field.name });
    return { field, input, output, row: make("label", { class: "play-slider" }, make("b", {}, field.sign), input, output, make("small", {}, field.what)) };
  });
  const pictures = make("div", { class: "play-pictures" });
  const numbers = make("p", { class: "play-numbers", "aria-live": "polite" });
  const cells = make("tbody");
  const table = make("details", { class: "play-table" }, make("summary", {}, "The numbers"), make("div", { class: "play-scroll" }, make("table", {},
    make("thead", {}, make("tr", {}, ...["m", "sign", "A", "decay", "spindle", "residual"].map((name) => make("th", {}, name)))), cells)));

  function show() {
    const condition = model.get("condition"), strength = measured[condition];
    const at = Object.fromEntries(FIELDS.map(({ name }) => [name, model.get(name)]));
    const result = split(strength, decayAt(condition, at.delta), at, n);
    for (const { field, input, output } of sliders) {
      input.value = Math.round(POSITIONS * positionOf(scaled(field), at[field.name]));
      output.textContent = shown(at[field.name]);
    }
    const both = [result.spindle, result.spindle];
    const total = result.decay.map((row) => row.map((value, m) => value + result.spindle[m]));
    const reach = 1.08 * Math.max(...[...strength, ...total].flatMap((row) => [...row]));
    const left = result.residual.map((row) => row.map(Math.abs));
    pictures.replaceChildren(
      chart("Measured strength by order as bars, with decay, spindle and their sum as lines", n, reach, [
        { kind: "strength", rows: strength }, { kind: "decay", rows: result.decay, line: true },
        { kind: "spindle", rows: both, line: true }, { kind: "total", rows: total, line: true }], 330),
      chart("Magnitude of the residual by order", n, reach, [{ kind: "residual", rows: left }], 200));
    numbers.replaceChildren(
      "residual ", make("b", { "data-number": "residual", "data-value": result.relativeResidual }, `${shown(100 * result.relativeResidual, 3)} %`),
      " of A · decay ", make("b", { "data-number": "decay", "data-value": result.decayStrength }, shown(result.decayStrength)),
      " · spindle ", make("b", { "data-number": "spindle", "data-value": result.spindleStrength }, shown(result.spindleStrength)),
      ` (strength, in units of Z; mean over ${samples} samples)`);
    cells.replaceChildren(...["+", "−"].flatMap((sign, k) => Array.from(strength[k], (value, m) =>
      make("tr", {}, ...[m + 1, sign, value, result.decay[k][m], result.spindle[m], result.residual[k][m]].map((cell, column) =>
        make("td", column > 1 ? { "data-value": cell } : {}, column > 1 ? shown(cell) : String(cell)))))));
  }

  const names = conditions.map(({ name }) => name);
  const header = make("div", { class: "play-header" },
    choice("Timepoint", names, model.get("condition"), (condition) => { model.set("condition", condition); setToFit(); }),
    make("button", { type: "button", "data-action": "fit", onclick: setToFit }, "Least squares (Eq. 9)"),
    make("button", { type: "button", "data-action": "pair", onclick: () => {
      const condition = model.get("condition"), unit = decayAt(condition, model.get("delta"));
      set(bestPair(measured[condition], spindle(model.get("alpha"), 1, n), unit));
    } }, "Best β, γ for this α, δ"));
  const key = make("p", { class: "play-key" }, ...[["strength", "measured A"], ["decay", "decay"], ["spindle", "spindle"],
    ["total", "decay + spindle"], ["residual", "|residual|, below"]].map(([kind, name]) => make("span", { class: kind }, name)));
  el.replaceChildren(make("div", { class: "play disentangle" }, header, key, pictures, numbers,
    make("div", { class: "play-sliders" }, ...sliders.map(({ row }) => row)), table));
  const follow = () => show();
  for (const name of ["condition", ...FIELDS.map((field) => field.name)]) model.on(`change:${name}`, follow);
  show();
  return () => FIELDS.forEach(({ name }) => model.off(`change:${name}`, follow));
}
