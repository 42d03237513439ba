// Charts of strength by order, as SVG.

let cuts = 0; // how many clip paths there are: their ids are of the whole page

const highest = (rows) => Math.max(...rows.flatMap((row) => [...row]));

// The least of 1, 2 and 5 times a power of ten of which at most `count` fit into `reach`.
function tickStep(reach, count) {
  const power = 10 ** Math.floor(Math.log10(reach / count));
  return power * [1, 2, 5, 10].find((factor) => reach / (power * factor) <= count);
}

// Bars and curves by order, positive strengths up, negative ones down. `series`: [{kind, rows, line}]. The axis goes to
// `reach` and no farther: what is larger is cut off, so that a slider moves a line and never the axis.
function chart(title, n, reach, series, height) {
  const width = 560, left = 50, right = 8, top = 10, bottom = 46;
  const x = (m) => left + ((m - 0.5) / n) * (width - left - right), middle = (top + height - bottom) / 2;
  const y = (value) => middle - (value / reach) * (middle - top);
  const picture = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title, class: "play-chart" });
  const cut = `play-cut-${++cuts}`, inside = draw("g", { "clip-path": `url(#${cut})` });
  picture.append(draw("clipPath", { id: cut }, draw("rect", { x: left, y: top, width: width - left - right, height: height - top - bottom })));
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
        inside.append(draw("polyline", { points: points.join(" "), class: `line ${kind}` }));
        points.forEach((p) => inside.append(draw("circle", { cx: p.split(",")[0], cy: p.split(",")[1], r: 3, class: `dot ${kind}` })));
      } else {
        heights.forEach((value, k) => inside.append(draw("rect", {
          x: x(k + 1) - bar / 2, width: bar, y: Math.min(y(0), y(value)), height: Math.abs(y(value) - y(0)), class: `bar ${kind}`,
        })));
      }
    });
  }
  picture.append(inside);
  return picture;
}

// The lines of a split (Eq. 9): its decay, its spindle, which is the same for both signs, and their sum.
function splitLines({ decay, spindle }) {
  const total = decay.map((row) => row.map((value, m) => value + spindle[m]));
  return [["decay", decay], ["spindle", [spindle, spindle]], ["total", total]].map(([kind, rows]) => ({ kind, rows, line: true }));
}

// A fold with strength and split by order, in numbers: `fold`, and `show(strength, split)`.
function splitTable() {
  const cells = make("tbody"), names = ["m", "sign", "A", "decay", "spindle", "residual"];
  const fold = make("details", { class: "play-table" }, make("summary", {}, "The numbers"),
    make("div", { class: "play-scroll", tabindex: 0, role: "region", "aria-label": "strength by order, in numbers" }, make("table", {},
      make("thead", {}, make("tr", {}, ...names.map((name) => make("th", { scope: "col" }, name)))), cells)));
  const show = (strength, { decay, spindle, residual }) => cells.replaceChildren(...["+", "−"].flatMap((sign, k) =>
    Array.from(strength[k], (value, m) => make("tr", {}, ...[m + 1, sign, value, decay[k][m], spindle[m], residual[k][m]].map((cell, column) =>
      make("td", column > 1 ? { "data-value": cell } : {}, column > 1 ? shown(cell) : String(cell)))))));
  return { fold, show };
}
