// The theory in the browser: the same arithmetic as lib/subsets.py and lib/theory.py.
// A table is a Float64Array over the 2^n subsets; bit i of the index says that player i is in the subset.

function order(subset) {
  let count = 0;
  for (; subset; subset &= subset - 1) count++;
  return count;
}

// A_spindle(m) for m = 1…n (Eq. 6). Γ(αn+1) / Γ(αn−m+1) is the product of αn, αn−1, … of m factors, so no Γ is needed.
function spindle(alpha, beta, n) {
  const curve = new Float64Array(n);
  let product = beta;
  for (let m = 1; m <= n; m++) {
    product *= (alpha * n - m + 1) / m;
    if (alpha * n - m + 1 <= 0) break; // from there on 1/Γ oscillates around 0; the strength is 0
    curve[m - 1] = product;
  }
  return curve;
}

// The same logical model with the OR interactions of order 1 moved into the AND table; two new tables.
function mergeSingletons(and, or) {
  const merged = [Float64Array.from(and), Float64Array.from(or)];
  for (let bit = 1; bit < and.length; bit *= 2) {
    merged[0][bit] += merged[1][bit];
    merged[1][bit] = 0;
  }
  return merged;
}

// The decay with γ = 1 at any δ, from those on a grid of log δ: the cubic through the four grid points around it.
// `decays` holds (deltas, 2, n) numbers; [low, high, count] are the ends of the grid and how many δ it has.
function decayBetween(decays, [low, high, count], delta, n) {
  const position = (Math.log(delta / low) / Math.log(high / low)) * (count - 1);
  const first = Math.min(Math.max(Math.floor(position) - 1, 0), count - 4), x = position - first;
  const weights = [
    -(x - 1) * (x - 2) * (x - 3) / 6, x * (x - 2) * (x - 3) / 2, -x * (x - 1) * (x - 3) / 2, x * (x - 1) * (x - 2) / 6];
  return [0, 1].map((sign) => Float64Array.from({ length: n }, (_, m) =>
    weights.reduce((sum, weight, k) => sum + weight * decays[((first + k) * 2 + sign) * n + m], 0)));
}

const dot = (x, y) => x.reduce((sum, row, sign) => sum + row.reduce((part, value, m) => part + value * y[sign][m], 0), 0);

// The β, γ ≥ 0 that minimise ‖A − β s − γ d‖² (Eq. 9 at one α and δ), in closed form.
function bestPair(strength, unitSpindle, decay) {
  const s = [unitSpindle, unitSpindle];
  const ss = dot(s, s), dd = dot(decay, decay), sd = dot(s, decay), sa = dot(s, strength), da = dot(decay, strength);
  const determinant = ss * dd - sd * sd;
  const beta = (dd * sa - sd * da) / determinant, gamma = (ss * da - sd * sa) / determinant;
  if (determinant > 1e-13 * ss * dd && beta > 0 && gamma > 0) return { beta, gamma };
  const alone = [ss && Math.max(sa, 0) / ss, dd && Math.max(da, 0) / dd];
  return alone[0] * sa >= alone[1] * da ? { beta: alone[0], gamma: 0 } : { beta: 0, gamma: alone[1] };
}

// Eq. 9: the two parts, what is left of A, and how large it is relative to A.
function split(strength, unit, { alpha, beta, gamma }, n) {
  const decay = unit.map((row) => row.map((value) => gamma * value));
  const curve = spindle(alpha, beta, n);
  const residual = strength.map((row, sign) => row.map((value, m) => value - decay[sign][m] - curve[m]));
  const sum = (rows) => rows.reduce((total, row) => total + row.reduce((part, value) => part + value, 0), 0);
  return {
    decay, spindle: curve, residual,
    relativeResidual: Math.sqrt(dot(residual, residual) / dot(strength, strength)),
    decayStrength: sum(decay), spindleStrength: sum([curve, curve]),
  };
}

// h(T) = v(∅) + the interactions that fire where exactly the players in `present` are there (Eq. 2).
function fires(kind, subset, present) {
  return kind === "AND" ? (subset & present) === subset : (subset & present) !== 0;
}

function logicalModel(pair, empty, present) {
  let output = empty;
  ["AND", "OR"].forEach((kind, k) => {
    for (let subset = 1; subset < pair[k].length; subset++) if (fires(kind, subset, present)) output += pair[k][subset];
  });
  return output;
}

// The `count` strongest interactions of merged tables: [{kind, subset, effect}], strongest first.
function strongest(pair, count) {
  const all = [];
  ["AND", "OR"].forEach((kind, k) => pair[k].forEach((effect, subset) => subset && effect && all.push({ kind, subset, effect })));
  return all.sort((x, y) => Math.abs(y.effect) - Math.abs(x.effect)).slice(0, count);
}

// Numbers packed in a DataView, float32 or float64 as their count tells, as a Float64Array.
function unpack(view, count) {
  const wide = view.byteLength / count === 8;
  return Float64Array.from({ length: count }, (_, k) => (wide ? view.getFloat64(8 * k, true) : view.getFloat32(4 * k, true)));
}

// The tables of a model as [condition][sample] pairs of merged tables.
function unpackPairs(model, conditions, samples, n) {
  const size = 2 ** n, all = unpack(model.get("tables"), conditions * 2 * samples * size);
  const at = (condition, kind, sample) => all.subarray(((condition * 2 + kind) * samples + sample) * size).subarray(0, size);
  return Array.from({ length: conditions }, (_, c) =>
    Array.from({ length: samples }, (_, s) => mergeSingletons(at(c, 0, s), at(c, 1, s))));
}
