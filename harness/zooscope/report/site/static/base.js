"use strict";
// What every page uses: data files, elements, numbers. Data come as scripts, since a page opened from a file may not fetch.
const zs = { root: document.documentElement.dataset.root, views: {}, given: {}, awaited: {} };

/** A data file hands over its value. */
zs.put = (key, value) => { zs.given[key] = value; };

/** The value of a data file below benchmarks/, loaded when it is first asked for. */
zs.load = key => zs.awaited[key] ??= new Promise((resolve, reject) => {
  if (key in zs.given) { resolve(zs.given[key]); return; }
  const script = document.createElement("script");
  script.src = `${zs.address(key)}.js`;
  script.onload = () => resolve(zs.given[key]);
  script.onerror = () => reject(new Error(`${script.src} cannot be loaded`));
  document.head.append(script);
});

/** Address of what lies below benchmarks/. */
zs.address = path => `${zs.root}benchmarks/${path.split("/").map(encodeURIComponent).join("/")}`;

/** An HTML element; on... are listeners, true and false are switches, children are elements or text. */
zs.el = (name, attributes = {}, ...children) => fill(document.createElement(name), attributes, children);

/** An SVG element. */
zs.svg = (name, attributes = {}, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);

function fill(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.flat().filter(child => child !== null && child !== undefined));
  return element;
}

/** A choice among options [value, text]. */
zs.select = (label, options, chosen, change) => zs.el("label", { class: "choice" }, zs.el("span", {}, label),
  zs.el("select", { onchange: event => change(event.target.value) },
    options.map(([value, text]) => zs.el("option", { value, selected: value === chosen }, text))));

/** Three digits, or a dash. */
zs.fixed = (value, digits = 3) => value === null || value === undefined ? "–" : value.toFixed(digits);
zs.signed = (value, digits = 3) => value === null || value === undefined ? "–" : (value < 0 ? "−" : "+") + Math.abs(value).toFixed(digits);

/** A metric's value with its unit; its label with its unit. */
zs.valued = (value, { digits, unit }) => zs.fixed(value, digits) + (unit && value !== null && value !== undefined ? ` ${unit}` : "");
zs.titled = ({ label, unit }) => unit ? `${label} (${unit})` : label;

/** A score [value, low, high] of a metric in words. */
zs.said = (score, { digits, unit }, fixed = zs.fixed) => {
  if (!score) return "no score";
  const value = `${fixed(score[0], digits)}${unit ? ` ${unit}` : ""}`;
  return score.length > 1 ? `${value}, interval ${fixed(score[1], digits)} to ${fixed(score[2], digits)}` : value;
};

/** Ascending order of numbers or words; what is missing comes last either way. */
zs.compare = (one, other, down = false) => {
  const lacking = value => value === null || value === undefined || value === "";
  if (lacking(one) || lacking(other)) return lacking(one) - lacking(other);
  const order = typeof one === "string" ? one.localeCompare(other, undefined, { numeric: true }) : one - other;
  return down ? -order : order;
};
