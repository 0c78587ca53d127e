"use strict";
// What the plots share: scales, axes, marks, a frame that redraws, walks by keyboard and tells its numbers as a table.

zs.linear = (from, to, start, end) => value => start + (end - start) * (value - from) / (to - from || 1);
zs.log = (from, to, start, end) => {
  const scale = zs.linear(Math.log10(from), Math.log10(to), start, end);
  return value => scale(Math.log10(value));
};

/** Round values between two ends, about so many. */
zs.ticks = (from, to, count) => {
  const raw = (to - from) / count, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find(factor => factor * power >= raw * 0.999) * power;
  const first = Math.ceil(from / step - 1e-9);
  return Array.from({ length: Math.floor(to / step + 1e-9) - first + 1 }, (_, i) => +((first + i) * step).toPrecision(9));
};

/** Powers of ten, with 2 and 5 where there is room. */
zs.logTicks = (from, to) => {
  const found = [], wide = Math.log10(to / from) > 2.5;
  for (let power = Math.floor(Math.log10(from)); power <= Math.ceil(Math.log10(to)); power++) {
    for (const factor of wide ? [1] : [1, 2, 5]) found.push(+(factor * 10 ** power).toPrecision(6));
  }
  return found.filter(value => value >= from * 0.999 && value <= to * 1.001);
};

zs.canvas = (width, height, label) =>
  zs.svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "group", "aria-label": label });

/** Axes of a box {left, right, top, bottom}: grid lines, numbers, names. */
zs.axes = (svg, box, { x, xTicks, xLabel, xText = String, y, yTicks = [], yLabel, yText = String }) => {
  const text = (attributes, words) => zs.svg("text", { "aria-hidden": "true", ...attributes }, words);
  for (const tick of yTicks) {
    svg.append(zs.svg("line", { class: "grid", x1: box.left, x2: box.right, y1: y(tick), y2: y(tick) }),
      text({ x: box.left - 7, y: y(tick) + 4, "text-anchor": "end" }, yText(tick)));
  }
  for (const tick of xTicks) {
    svg.append(zs.svg("line", { class: "grid", x1: x(tick), x2: x(tick), y1: box.top, y2: box.bottom }),
      text({ x: x(tick), y: box.bottom + 17, "text-anchor": "middle" }, xText(tick)));
  }
  svg.append(text({ class: "axis", x: (box.left + box.right) / 2, y: box.bottom + 36, "text-anchor": "middle" }, xLabel));
  if (yLabel) svg.append(text({ class: "axis", transform: `translate(13 ${(box.top + box.bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }, yLabel));
};

const SHAPES = [
  r => `M${-r},0a${r},${r} 0 1 0 ${2 * r},0a${r},${r} 0 1 0 ${-2 * r},0z`,
  r => `M${-r},${-r}h${2 * r}v${2 * r}h${-2 * r}z`,
  r => `M0,${-1.25 * r}L${1.2 * r},${r}H${-1.2 * r}z`,
  r => `M0,${-1.35 * r}L${1.35 * r},0L0,${1.35 * r}L${-1.35 * r},0z`,
  r => `M0,${1.25 * r}L${1.2 * r},${-r}H${-1.2 * r}z`,
  r => `M${-r},${-r / 3}h${r * 2 / 3}v${-r * 2 / 3}h${r * 2 / 3}v${r * 2 / 3}h${r * 2 / 3}v${r * 2 / 3}h${-r * 2 / 3}v${r * 2 / 3}h${-r * 2 / 3}v${-r * 2 / 3}h${-r * 2 / 3}z`,
  r => `M${-r},${-r}L${r},${r}L${r},${-r}L${-r},${r}z`,
  r => `M${-r},${-r}L${r},${-r}L${-r},${r}L${r},${r}z`,
];
zs.DASHES = ["", "7 3", "2 3", "9 3 2 3", "12 4", "4 4", "1 4", "9 3 2 3 2 3"];
zs.SERIES = SHAPES.length;

/** A mark: shape and colour of the series with that number. */
zs.mark = (series, x, y, r = 4) => zs.svg("path", { class: `mark s${series}`, d: SHAPES[series](r), transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})` });

/** Tells a text where the pointer or the focus is; it is the element's name for screen readers too. */
zs.tip = (element, text, role = "img") => {
  element.setAttribute("aria-label", text);
  if (role) element.setAttribute("role", role);
  const show = () => {
    const tip = document.getElementById("tip") ?? document.body.appendChild(zs.el("div", { id: "tip", "aria-hidden": "true" }));
    const place = element.getBoundingClientRect();
    tip.textContent = text;
    tip.hidden = false;
    const left = Math.min(Math.max(8, place.x + place.width / 2 - tip.offsetWidth / 2), document.documentElement.clientWidth - tip.offsetWidth - 8);
    const above = place.y - tip.offsetHeight - 8;
    tip.style.transform = `translate(${left}px, ${above > 4 ? above : place.bottom + 8}px)`;
  };
  const hide = () => { const tip = document.getElementById("tip"); if (tip) tip.hidden = true; };
  for (const event of ["mouseenter", "focus"]) element.addEventListener(event, show);
  for (const event of ["mouseleave", "blur"]) element.addEventListener(event, hide);
  return element;
};

/** One stop of the Tab key for rows of elements, arrow keys walk among them. */
zs.rove = rows => {
  const all = rows.flat();
  all.forEach((element, i) => element.setAttribute("tabindex", i ? -1 : 0));
  const go = element => {
    if (!element) return;
    all.forEach(other => other.setAttribute("tabindex", -1));
    element.setAttribute("tabindex", 0);
    element.focus();
  };
  rows.forEach((row, r) => row.forEach((element, c) => element.addEventListener("keydown", event => {
    const near = other => other && other[Math.min(c, other.length - 1)];
    const next = {
      ArrowRight: () => row[c + 1] ?? rows[r + 1]?.[0], ArrowLeft: () => row[c - 1] ?? rows[r - 1]?.at(-1),
      ArrowDown: () => near(rows[r + 1]), ArrowUp: () => near(rows[r - 1]), Home: () => row[0], End: () => row.at(-1),
    }[event.key];
    if (next) { event.preventDefault(); go(next()); }
  })));
};

/** A figure that draws once it is seen, again when its width or the view changes, with its numbers as a table below.
 *  part: title, load() what it needs, controls(redraw), draw(context, width) -> {svg, legend, note}, table(context). */
zs.plot = (host, part) => {
  const canvas = zs.el("div", { class: "canvas" }), legend = zs.el("div"), note = zs.el("figcaption");
  const numbers = zs.el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${part.title}: numbers` });
  const details = zs.el("details", { class: "numbers", ontoggle: () => tell() }, zs.el("summary", {}, "The numbers as a table"), numbers);
  let context = null, seen = false, width = 0;
  const ready = async () => { const loaded = part.load ? await part.load() : {}; return { ...context, ...loaded }; };
  const tell = async () => {
    if (!details.open || !context) return;
    const { head, rows } = part.table(await ready());
    numbers.replaceChildren(zs.el("table", {}, zs.el("caption", { class: "hidden" }, part.title),
      zs.el("thead", {}, zs.el("tr", {}, head.map((text, i) => zs.el("th", { scope: "col", class: i ? "" : "word" }, text)))),
      zs.el("tbody", {}, rows.map(row => zs.el("tr", {}, row.map((text, i) => zs.el(i ? "td" : "th", i ? {} : { scope: "row", class: "word" }, text)))))));
  };
  const draw = async () => {
    if (!seen || !context) return;
    const now = await ready();
    width = Math.max(260, canvas.clientWidth);
    const drawn = part.draw(now, width);
    canvas.replaceChildren(drawn.svg ?? zs.el("p", { class: "soft" }, "Nothing to show."));
    legend.replaceChildren(...(drawn.legend ? [drawn.legend] : []));
    note.textContent = drawn.note ?? "";
    tell();
  };
  host.replaceChildren(zs.el("h3", {}, part.title), ...(part.controls ? [part.controls(draw)] : []), canvas, legend, note, details);
  new ResizeObserver(() => { if (width && Math.abs(canvas.clientWidth - width) > 4) draw(); }).observe(canvas);
  new IntersectionObserver((entries, observer) => {
    if (entries.some(entry => entry.isIntersecting)) { observer.disconnect(); seen = true; draw(); }
  }, { rootMargin: "300px" }).observe(host);
  return next => { context = next; return draw(); };
};
