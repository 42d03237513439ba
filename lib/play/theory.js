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

// The β, γ ≥ 0 that minimise ‖A − β s − γ d‖² (Eq. 9 at one α and δ), in closed form; `explained` is what ‖A‖² loses.
function bestPair(strength, unitSpindle, decay) {
  const s = [unitSpindle, unitSpindle];
  return pairOf(dot(s, s), dot(decay, decay), dot(s, decay), dot(s, strength), dot(decay, strength));
}

function pairOf(ss, dd, sd, sa, da) {
  const determinant = ss * dd - sd * sd;
  const beta = (dd * sa - sd * da) / determinant, gamma = (ss * da - sd * sa) / determinant;
  const found = (beta, gamma) => ({ beta, gamma, explained: beta * sa + gamma * da });
  if (determinant > 1e-13 * ss * dd && beta > 0 && gamma > 0) return found(beta, gamma);
  const alone = [ss && Math.max(sa, 0) / ss, dd && Math.max(da, 0) / dd];
  return alone[0] * sa >= alone[1] * da ? found(alone[0], 0) : found(0, alone[1]);
}

// Eq. 9 solved: α within its range, δ from `least` on; β and γ are in closed form, α and δ searched on a grid, and from its
// best point on in squares of 3×3 candidates, half as large each time (as `resplit_within` in lib/disentangle.py).
function leastSquares(strength, decays, deltas, least, [lowAlpha, highAlpha], n) {
  const [low, high, count] = deltas, ALPHAS = 97, HALVINGS = 14;
  const first = Math.log(Math.max(least, low)), last = Math.log(high), step = Math.log(high / low) / (count - 1);
  const points = Math.max(2, Math.ceil((last - first) / step - 1e-9) + 1);
  const between = (a, b, k, of) => a + ((b - a) * k) / (of - 1), within = (x, a, b) => Math.min(b, Math.max(a, x));
  const inner = (x, y) => x.reduce((total, value, m) => total + value * y[m], 0);
  const sums = strength[0].map((value, m) => value + strength[1][m]);
  const ofAlpha = (alpha) => {
    const s = spindle(alpha, 1, n);
    return { alpha, s, ss: 2 * inner(s, s), sa: inner(s, sums) };
  };
  const ofDelta = (x) => {
    const decay = decayBetween(decays, deltas, Math.exp(x), n);
    return { x, both: decay[0].map((value, m) => value + decay[1][m]), dd: dot(decay, decay), da: dot(decay, strength) };
  };
  const spindles = Array.from({ length: ALPHAS }, (_, k) => ofAlpha(between(lowAlpha, highAlpha, k, ALPHAS)));
  let best = { explained: -1 };
  const tried = (one, other) => {
    const pair = pairOf(other.ss, one.dd, inner(other.s, one.both), other.sa, one.da);
    if (pair.explained > best.explained) best = { ...pair, x: one.x, alpha: other.alpha };
  };
  for (let k = 0; k < points; k++) {
    const one = ofDelta(between(first, last, k, points));
    for (const other of spindles) tried(one, other);
  }
  let steps = [(last - first) / (points - 1), (highAlpha - lowAlpha) / (ALPHAS - 1)];
  for (let round = 0; round < HALVINGS; round++) {
    const { x, alpha } = best;
    const near = [-1, 0, 1].map((k) => ofAlpha(within(alpha + k * steps[1], lowAlpha, highAlpha)));
    for (const k of [-1, 0, 1]) {
      const one = ofDelta(within(x + k * steps[0], first, last));
      for (const other of near) tried(one, other);
    }
    steps = steps.map((size) => size / 2);
  }
  return { alpha: best.alpha, beta: best.beta, delta: Math.exp(best.x), gamma: best.gamma };
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

// Half of a float32: 1 bit of sign, 5 of the exponent, 10 of the fraction.
function half(bits) {
  const exponent = (bits >> 10) & 31, fraction = (bits & 1023) / 1024, sign = bits >> 15 ? -1 : 1;
  return sign * (exponent ? (1 + fraction) * 2 ** (exponent - 15) : fraction * 2 ** -14);
}

// Numbers packed in a DataView, float16, float32 or float64 as their count tells, as a Float64Array.
function unpack(view, count) {
  const read = {
    2: (k) => half(view.getUint16(2 * k, true)), 4: (k) => view.getFloat32(4 * k, true), 8: (k) => view.getFloat64(8 * k, true) };
  const one = read[view.byteLength / count];
  return Float64Array.from({ length: count }, (_, k) => one(k));
}

// The tables of a model as [condition][sample] pairs of merged tables.
function unpackPairs(model, conditions, samples, n) {
  const size = 2 ** n, all = unpack(model.get("tables"), conditions * 2 * samples * size);
  const at = (condition, kind, sample) => all.subarray(((condition * 2 + kind) * samples + sample) * size).subarray(0, size);
  return Array.from({ length: conditions }, (_, c) =>
    Array.from({ length: samples }, (_, s) => mergeSingletons(at(c, 0, s), at(c, 1, s))));
}
