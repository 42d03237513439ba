// The theory in the browser: the same arithmetic as lib/subsets.py, lib/strengths.py and lib/theory.py.
// A table is a Float64Array over the 2^n subsets; bit i of the index says that player i is in the subset.

const EIGENVALUES = [(5 - Math.sqrt(17)) / 4, (5 + Math.sqrt(17)) / 4]; // of [[2, 1], [1, 1]] against diag(1, 2)

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

// Multiplies a table by the n-fold Kronecker power of the 2×2 matrix [[a, b], [c, d]], in place.
function eachPlayer([[a, b], [c, d]], table) {
  for (let bit = 1; bit < table.length; bit *= 2) {
    for (let without = 0; without < table.length; without++) {
      if (without & bit) continue;
      const x = table[without], y = table[without | bit];
      table[without] = a * x + b * y;
      table[without | bit] = c * x + d * y;
    }
  }
}

// Î(δ) = M(δ) I* (Theorem 2.3) in n·2^n steps; a new table.
function shrink(table, delta) {
  const modes = Float64Array.from(table);
  const [low, high] = EIGENVALUES, n = Math.log2(table.length);
  const vectors = [[1, 1], [low - 2, high - 2]], determinant = high - low;
  eachPlayer([[(high - 2) / determinant, -1 / determinant], [(2 - low) / determinant, 1 / determinant]], modes);
  const share = Array.from({ length: n + 1 }, (_, k) => {
    const product = low ** (n - k) * high ** k;
    return product / (product + table.length * delta);
  });
  for (let mode = 0; mode < modes.length; mode++) modes[mode] *= share[order(mode)];
  eachPlayer(vectors, modes);
  return modes;
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

// Adds A(m),+ and A(m),− of two merged tables to strength = [[n], [n]] (Eq. 4); what is not above the threshold is left out.
function addByOrder(tables, threshold, scale, strength) {
  for (const table of tables) {
    for (let subset = 1; subset < table.length; subset++) {
      const effect = table[subset];
      if (Math.abs(effect) > threshold) strength[effect > 0 ? 0 : 1][order(subset) - 1] += scale * Math.abs(effect);
    }
  }
}

function noStrength(n) {
  return [new Float64Array(n), new Float64Array(n)];
}

// A(m)± as the mean over samples, in units of z. `pairs` are merged [AND, OR] tables, one pair a sample.
function measuredStrength(pairs, tau, z, n) {
  const strength = noStrength(n);
  for (const pair of pairs) addByOrder(pair, tau, 1 / z / pairs.length, strength);
  return strength;
}

// A_decay(m)± of Eq. 8 with γ = 1, as the mean over samples, in units of z.
function unitDecay(pairs, delta, z, n) {
  const strength = noStrength(n);
  for (const pair of pairs) {
    const shrunk = pair.map((table) => shrink(table, delta)); // its OR table has interactions of order 1 again
    addByOrder(mergeSingletons(...shrunk), 0, 1 / z / pairs.length, strength);
  }
  return strength;
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
