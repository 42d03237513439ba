// Along a training: strength, decay and spindle of one checkpoint after the other, with the loss gap on the slider's track.

// model: n, samples, checkpoints [{epoch, train_loss, test_loss, loss_gap, spindle_low, spindle_high, mean_order, alpha, beta}],
// strength and decays (checkpoint, sign, order) in units of the swing, timepoints {name: index of its checkpoint}, checkpoint
// (index of the one shown).
function renderTraining({ model, el }) {
  const n = model.get("n"), checkpoints = model.get("checkpoints"), last = checkpoints.length - 1;
  const timepoints = model.get("timepoints"), before = timepoints.B;
  const [strengths, decays] = ["strength", "decays"].map((name) => unpack(model.get(name), checkpoints.length * 2 * n));
  const rows = (numbers, k) => [0, 1].map((sign) => numbers.subarray((2 * k + sign) * n).subarray(0, n));
  const splits = checkpoints.map(({ alpha, beta }, k) => split(rows(strengths, k), rows(decays, k), { alpha, beta, gamma: 1 }, n));
  const share = (k) => { // the spindle's, of all strength
    const all = rows(strengths, k).reduce((sum, row) => row.reduce((part, value) => part + value, sum), 0);
    return `${shown((100 * splits[k].spindleStrength) / all, 2)} %`;
  };
  const at = (k) => (last ? k / last : 0); // its place on the track
  const there = (k) => Object.keys(timepoints).filter((name) => timepoints[name] === k).join(", ");
  const common = Math.max(...checkpoints.map((_, k) => (k >= (before ?? 0) ? highest(rows(strengths, k)) : 0)));

  const move = (checkpoint) => {
    model.set("checkpoint", checkpoint);
    model.save_changes();
    show();
  };
  // The slider's positions are the checkpoints, so that an arrow key goes to the next one.
  const input = make("input", { type: "range", min: 0, max: last, step: 1, "aria-label": "epoch", "data-field": "checkpoint",
    oninput: () => move(Number(input.value)) });
  const gaps = checkpoints.map(({ loss_gap }) => loss_gap), top = Math.max(0, ...gaps), reach = top - Math.min(0, ...gaps) || 1;
  const bars = gaps.map((gap, k) => make("span", {
    style: `--at: ${at(k)}; --top: ${(top - Math.max(0, gap)) / reach}; --size: ${Math.abs(gap) / reach}` }));
  const zero = make("i", { style: `--top: ${top / reach}` });
  const marks = [...new Set([0, last, ...Object.values(timepoints)])].map((k) =>
    make("span", { style: `--at: ${at(k)}` }, make("b", {}, there(k) || "\u00a0"), String(checkpoints[k].epoch)));
  const epoch = make("output", { "data-shows": "epoch" });
  const track = make("label", { class: "play-along" }, make("span", { class: "play-along-name" }, make("b", {}, "epoch "), epoch),
    make("span", { class: "play-gaps", "aria-hidden": "true" }, zero, ...bars), input,
    make("span", { class: "play-marks", "aria-hidden": "true" }, ...marks));
  const picture = make("div", { class: "play-pictures" });
  const numbers = make("p", { class: "play-numbers", "aria-live": "polite" });
  const table = splitTable();

  function show() {
    const k = model.get("checkpoint"), now = checkpoints[k], strength = rows(strengths, k), result = splits[k];
    const place = there(k) && `, ${there(k)}`, told = `epoch ${now.epoch}${place}`;
    input.value = k;
    input.setAttribute("aria-valuetext", `${told}, loss gap ${shown(now.loss_gap, 2)} nats`);
    epoch.textContent = `${now.epoch} of ${checkpoints[last].epoch}${place}`;
    bars.forEach((bar, other) => bar.toggleAttribute("data-now", other === k));
    const outlined = before !== undefined && before !== k ? [{ kind: "before", rows: rows(strengths, before) }] : [];
    picture.replaceChildren(chart(`Strength by order at ${told} as bars, with decay, spindle and their sum as lines`, n,
      1.08 * Math.max(common, highest(strength)), [{ kind: "strength", rows: strength }, ...outlined, ...splitLines(result)], 330));
    el.querySelector(".play-key .before")?.toggleAttribute("hidden", !outlined.length);
    const number = (name, value, text) => make("b", { "data-number": name, "data-value": value }, text);
    numbers.replaceChildren("loss gap ", number("gap", now.loss_gap, shown(now.loss_gap, 2)),
      ` nats (test ${shown(now.test_loss, 3)} − training ${shown(now.train_loss, 3)}) · decay `,
      number("decay", result.decayStrength, shown(result.decayStrength, 3)), " · spindle ",
      number("spindle", result.spindleStrength, shown(result.spindleStrength, 3)),
      ` [${shown(now.spindle_low, 2)}, ${shown(now.spindle_high, 2)}], ${share(k)} of A · mean order `,
      number("order", now.mean_order, shown(now.mean_order, 3)),
      ` (strength, in units of the swing; mean over ${model.get("samples")} samples; in brackets the central 90\u00a0% over resampled ones)`);
    table.show(strength, result);
  }

  // What to look for, in numbers: from B to the end.
  function whatToLookFor() {
    const [one, two] = [checkpoints[before], checkpoints[last]];
    if (before === undefined || before === last) return "";
    const parts = [["the loss gap", shown(one.loss_gap, 2), `${shown(two.loss_gap, 2)} nats`],
      ["the mean order", shown(one.mean_order, 2), shown(two.mean_order, 2)], ["the spindle", share(before), `${share(last)} of all strength`]];
    const told = parts.map(([what, from, to], k) => `${what} ${k ? "" : "goes "}from ${from} to ${to}`);
    return `Drag from ${there(before)} to ${there(last) || "the end"}: ${told.join(", ")}.`;
  }

  const kinds = [["strength", "measured A"], ["before", "A at B"], ["decay", "decay"], ["spindle", "spindle"], ["total", "decay + spindle"],
    ["gap", "loss gap, above the slider"]];
  el.replaceChildren(make("div", { class: "play training" }, make("p", { class: "play-task" }, whatToLookFor()), track,
    make("p", { class: "play-key" }, ...kinds.map(([kind, name]) => make("span", { class: kind }, name))), picture, numbers, table.fold));
  model.on("change:checkpoint", show);
  show();
  return () => model.off("change:checkpoint", show);
}
