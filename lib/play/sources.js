// What is measured under the choices that the paper leaves open: ζ, the ties, whose I* is, the least δ of the fit.

const LEAST = [1e-6, 1e-4, 1e-3, 1e-2]; // levels of the least δ
const WHOSE = { self: "its own", converged: "of the converged network", undisturbed: "undisturbed, under noise" };
const CHOSEN = ["zeta", "ties", "reference", "delta_min"]; // the choices, by their names in the model and in the address
const made = new WeakMap(); // sources by their model

// Of a model of `renderDisentangle`: names and labels of all conditions; `at(condition)`, under the choices made, the strength
// (2, n), the decays (δ, 2, n) on a grid of deltas, how many samples of how many, and `outline`, the strength of another
// condition; `fit(condition)`, the least-squares split; `levels` of each choice; `noisy(condition)`, whether noise was injected.
function sourcesOf(model) {
  if (!made.has(model)) made.set(model, makeSources(model));
  return made.get(model);
}

function makeSources(model) {
  const n = model.get("n"), own = model.get("conditions"), few = model.get("few"), home = model.get("home");
  const names = own.map(({ name }) => name), labels = [...names];
  (few?.conditions ?? []).forEach((name, k) => names.includes(name) || (names.push(name), labels.push(few.labels[k])));
  const all = sets(model.get("strength"), model.get("decays"), model.get("deltas"), names.slice(0, own.length), 1, model.get("samples"))[0];
  const others = new Map(), fits = new Map();
  if (few) {
    const pairs = few.zetas.flatMap((zeta) => few.ties.map((ties) => `${zeta} ${ties}`));
    const found = sets(model.get("few_strength"), model.get("few_decays"), few.deltas, few.conditions, pairs.length, few.samples, few.of);
    pairs.forEach((pair, k) => others.set(pair, found[k]));
  }

  // Of packed numbers (sets, condition, …) each set: `strength(name)` is (2, n), `decays(name)` (δ, 2, n).
  function sets(strength, decays, deltas, conditions, count, samples, of = samples) {
    const c = conditions.length, sizes = [2 * n, deltas[2] * 2 * n];
    const numbers = [strength, decays].map((packed, k) => unpack(packed, count * c * sizes[k]));
    return Array.from({ length: count }, (_, place) => {
      const row = (k, name) => numbers[k].subarray((place * c + conditions.indexOf(name)) * sizes[k]).subarray(0, sizes[k]);
      return { samples, of, deltas, decays: (name) => row(1, name), strength: (name) => [row(0, name).subarray(0, n), row(0, name).subarray(n)] };
    });
  }

  const choices = () => Object.fromEntries(CHOSEN.map((name) => [name, model.get(name)]));
  const noisy = (condition) => condition >= own.length;

  // The strength of a condition and the decays of the I* chosen for it, of one set of samples.
  function at(condition) {
    const { zeta, ties, reference } = choices(), name = names[condition];
    const from = zeta === home.zeta && ties === home.ties && !noisy(condition) ? all : others.get(`${zeta} ${ties}`) ?? all;
    const whose = { self: name, converged: names[model.get("converged")], undisturbed: noisy(condition) ? "B" : name }[reference];
    return { ...from, strength: from.strength(name), decays: from.decays(whose), outline: (other) => from.strength(names[other]) };
  }

  function fit(condition) {
    const chosen = choices(), key = JSON.stringify([condition, ...Object.values(chosen)]);
    if (!noisy(condition) && CHOSEN.every((name) => chosen[name] === home[name])) return own[condition].fit; // that of lib/
    if (!fits.has(key)) {
      const { strength, decays, deltas } = at(condition);
      fits.set(key, leastSquares(strength, decays, deltas, chosen.delta_min, model.get("alpha_range"), n));
    }
    return fits.get(key);
  }

  const levels = {
    zeta: few ? few.zetas : [], ties: few ? few.ties : [],
    reference: ["self", "converged", ...(names.length > own.length ? ["undisturbed"] : [])],
    delta_min: [...new Set([...LEAST, home.delta_min])].sort((x, y) => x - y),
  };
  return { names, labels, at, fit, levels, noisy, home };
}

const percent = (share) => (share === null ? "–" : `${Number((100 * share).toPrecision(3))} %`);
