// One sample with its players: switch players off and see v, h, and which interactions go out.

const LISTED = 12; // strongest interactions in the list
const DRAWN = 5; // of those, drawn on the image

// model: n, grid, conditions [name], samples [{name, image, patches, words, truth, guesses}], shared (true where the page has
// a menu of timepoints), tables (condition, AND/OR, sample, subset), values (condition, sample, subset), sample, condition, present (bits of the players that are there).
function renderPlayers({ model, el }) {
  const n = model.get("n"), grid = model.get("grid"), conditions = model.get("conditions"), samples = model.get("samples");
  const size = 2 ** n, all = size - 1;
  const pairs = unpackPairs(model, conditions.length, samples.length, n);
  const values = unpack(model.get("values"), conditions.length * samples.length * size);
  const effects = make("ol", { class: "play-effects" });
  const numbers = make("p", { class: "play-numbers", "aria-live": "polite" });
  const stage = make("div", { class: "play-stage" });
  const readout = make("p", { class: "play-readout" });
  const step = make("span", { class: "play-step", "aria-live": "polite" });
  let pointed = null; // the interaction under the pointer or focus
  let chosen = null; // the place in the list of the one that is looked at; null: the strongest ones together

  const set = (values) => {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    model.save_changes();
    show();
  };
  const toggle = (player) => {
    set({ present: model.get("present") ^ (1 << player) });
    el.querySelector(`[data-player="${player}"]`).focus({ preventScroll: true }); // it was drawn anew
  };
  const members = (subset) => Array.from({ length: n }, (_, k) => k).filter((k) => subset & (1 << k));
  const nameOf = (sample, player) => (sample.words ? sample.words[player] : String(player + 1));

  function button(sample, player, present) {
    return {
      role: "switch", tabindex: 0, "aria-checked": present ? "true" : "false", "data-player": player,
      "aria-label": `player ${nameOf(sample, player)}`, class: present ? "player" : "player off",
      onclick: () => toggle(player),
      onkeydown: (event) => {
        if (event.key !== " " && event.key !== "Enter") return;
        event.preventDefault();
        toggle(player);
      },
    };
  }

  function words(sample, present) {
    return make("div", { class: "play-words" }, ...sample.words.map((word, player) =>
      make("button", { type: "button", ...button(sample, player, present & (1 << player)), onkeydown: () => {},
        ...(joined(sample, player) && { "data-joined": "" }) }, word)));
  }

  // Whether a word is of the interaction that is looked at.
  const joined = (sample, player) => {
    const one = pointed ?? (chosen === null ? null : listedNow()[chosen]);
    return one && one.subset & (1 << player);
  };

  function image(sample, present, listed) {
    const side = 320, cell = side / grid;
    const corner = (player) => [(sample.patches[player] % grid) * cell, Math.floor(sample.patches[player] / grid) * cell];
    const centre = (player) => corner(player).map((z) => z + cell / 2);
    const picture = draw("svg", { viewBox: `0 0 ${side} ${side}`, class: "play-image", "aria-label": sample.name, role: "group" });
    if (sample.image) picture.append(draw("image", { href: sample.image, width: side, height: side, preserveAspectRatio: "none" }));
    else picture.append(draw("rect", { width: side, height: side, class: "no-image" }));
    const largest = Math.abs(listed[0]?.effect ?? 1);
    const one = pointed ?? listed[chosen];
    const marked = one ? [one] : listed.filter(({ kind, subset }) => fires(kind, subset, present)).slice(0, DRAWN);
    for (const { kind, subset, effect } of marked) {
      const points = members(subset).map(centre);
      const middle = [0, 1].map((axis) => points.reduce((sum, p) => sum + p[axis], 0) / points.length);
      points.sort((p, q) => Math.atan2(p[1] - middle[1], p[0] - middle[0]) - Math.atan2(q[1] - middle[1], q[0] - middle[0]));
      const thick = 1.5 + (5 * Math.abs(effect)) / largest, sign = effect > 0 ? "positive" : "negative";
      for (const [part, width] of [["halo", thick + 3], [`effect ${kind}`, thick]]) { // seen on dark and on light
        const style = { class: `${part} ${sign}`, "stroke-width": width };
        picture.append(points.length > 1
          ? draw("polygon", { ...style, points: points.map((p) => p.join(",")).join(" ") })
          : draw("circle", { ...style, cx: points[0][0], cy: points[0][1], r: cell / 3 }));
      }
    }
    for (let player = 0; player < n; player++) {
      const [x, y] = corner(player);
      picture.append(draw("g", button(sample, player, present & (1 << player)),
        draw("rect", { x: x + 1, y: y + 1, width: cell - 2, height: cell - 2 }),
        draw("text", { x: x + 4, y: y + 13 }, String(player + 1))));
    }
    return picture;
  }

  function row(sample, { kind, subset, effect }, present, largest) {
    const on = fires(kind, subset, present), interaction = { kind, subset, effect };
    const point = (to) => () => { pointed = to; showStage(); };
    const classes = [on ? "" : "out", listedNow()[chosen]?.subset === subset && listedNow()[chosen].kind === kind ? "chosen" : ""];
    return make("li", { class: classes.join(" ").trim(), tabindex: 0, "data-kind": kind, "data-subset": subset, "data-value": effect,
      onmouseenter: point(interaction), onfocus: point(interaction), onmouseleave: point(null), onblur: point(null) },
      make("span", { class: `kind ${kind}` }, kind),
      make("span", { class: "members" }, members(subset).map((player) => nameOf(sample, player)).join(sample.words ? ", " : " ")),
      make("span", { class: "track" }, make("span", { class: `size ${effect > 0 ? "positive" : "negative"}`,
        style: `width: ${(100 * Math.abs(effect)) / largest}%` })),
      make("span", { class: "effect-value" }, `${effect > 0 ? "+" : ""}${shown(effect, 3)}`),
      make("span", { class: "state" }, on ? "" : "out"));
  }

  const listedNow = () => strongest(pairs[model.get("condition")][model.get("sample")], LISTED);
  const look = (by) => {
    const count = listedNow().length;
    if (count) chosen = by === null ? null : chosen === null ? (by > 0 ? 0 : count - 1) : (chosen + by + count) % count;
    show();
  };

  const now = () => ({ sample: model.get("sample"), condition: model.get("condition"), present: model.get("present") });

  function showStage() {
    const { sample, condition, present } = now(), own = samples[sample];
    stage.replaceChildren(own.words ? words(own, present) : image(own, present, strongest(pairs[condition][sample], LISTED)));
  }

  function show() {
    const { sample, condition, present } = now(), pair = pairs[condition][sample];
    const table = values.subarray((condition * samples.length + sample) * size).subarray(0, size);
    const h = logicalModel(pair, table[0], present), listed = strongest(pair, LISTED);
    const out = listed.filter(({ kind, subset }) => !fires(kind, subset, present)).length;
    const own = samples[sample], guess = own.guesses?.[condition];
    readout.replaceChildren(make("span", {}, "network v = ", make("b", { "data-number": "v", "data-value": table[present] }, shown(table[present]))),
      make("span", {}, "logical model h = ", make("b", { "data-number": "h", "data-value": h }, shown(h))),
      ...(own.truth ? [make("span", {}, "true class: ", make("b", {}, own.truth))] : []),
      ...(guess ? [make("span", {}, "the network's guess, all there: ", make("b", { "data-shows": "guess" }, guess))] : []));
    numbers.replaceChildren(
      `v and h in log-odds of the true class, with ${order(present)} of ${n} players there; all there v = ${shown(table[all])}, none v = ${shown(table[0])}. `,
      `Of the ${listed.length} strongest interactions, `, make("b", { "data-number": "out", "data-value": out }, String(out)), " are out.");
    step.replaceChildren(chosen === null ? `the ${DRAWN} strongest that fire` : `interaction ${chosen + 1} of ${listed.length}`);
    effects.replaceChildren(...listed.map((interaction) => row(samples[sample], interaction, present, Math.abs(listed[0].effect))));
    showStage();
  }

  const header = make("div", { class: "play-header" },
    choice("Sample", samples.map(({ name }) => name), model.get("sample"), (sample) => { chosen = null; set({ sample, present: all }); }),
    ...(model.get("shared") ? [] : [choice("Timepoint", conditions, model.get("condition"), (condition) => set({ condition }))]),
    make("button", { type: "button", "data-action": "all", onclick: () => set({ present: all }) }, "All on"),
    make("button", { type: "button", "data-action": "none", onclick: () => set({ present: 0 }) }, "All off"));
  const steps = make("div", { class: "play-steps" },
    make("button", { type: "button", "data-action": "previous", "aria-label": "previous interaction", onclick: () => look(-1) }, "‹"),
    step, make("button", { type: "button", "data-action": "next", "aria-label": "next interaction", onclick: () => look(1) }, "›"),
    make("button", { type: "button", "data-action": "together", onclick: () => look(null) }, "Together"));
  const key = make("p", { class: "play-key" }, make("span", { class: "positive" }, "speaks for the true class"),
    make("span", { class: "negative" }, "against it"), make("span", { class: "AND" }, "AND: all of its players needed"),
    make("span", { class: "OR" }, "OR: any of them will do"));
  el.replaceChildren(make("div", { class: "play players" }, header, readout, make("div", { class: "play-sides" },
    make("div", {}, stage, steps), effects), numbers, key));
  const follow = () => show();
  for (const name of ["sample", "condition", "present"]) model.on(`change:${name}`, follow);
  show();
  return () => ["sample", "condition", "present"].forEach((name) => model.off(`change:${name}`, follow));
}
