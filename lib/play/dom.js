// Small helpers to make HTML and SVG elements.

const SVG = "http://www.w3.org/2000/svg";

function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function draw(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

// A labelled <select>; `changed` gets the index of the choice.
function choice(label, names, chosen, changed) {
  const options = names.map((name, k) => make("option", { value: k, selected: k === chosen && "" }, name));
  const select = make("select", { onchange: () => changed(Number(select.value)) }, ...options);
  return make("label", { class: "play-choice" }, `${label} `, select);
}

// A number as text: `digits` significant ones, a true minus sign, an exponent only if it is very small or large.
function shown(value, digits = 4) {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const plain = Math.abs(value) >= 1e-4 && Math.abs(value) < 10 ** digits;
  return (plain ? value.toPrecision(digits) : value.toExponential(digits - 1)).replace(/-/g, "−");
}
