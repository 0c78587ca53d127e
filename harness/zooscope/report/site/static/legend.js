"use strict";
// The legend of a plot: one entry a model, with its line and mark; the pointer or focus on one brings it out.

zs.legend = (board, models, svg, { line = true } = {}) => zs.el("ul", { class: "legend" }, models.map((i, series) => {
  const bring = on => () => {
    svg.classList.toggle("one", on);
    for (const element of svg.querySelectorAll(`[data-series="${series}"]`)) element.classList.toggle("out", on);
  };
  const sample = zs.svg("svg", { width: line ? 34 : 14, height: 12, "aria-hidden": "true" },
    line ? zs.svg("line", { class: `line s${series}`, x1: 1, x2: 33, y1: 6, y2: 6, "stroke-dasharray": zs.DASHES[series] }) : null,
    zs.mark(series, line ? 17 : 7, 6));
  return zs.el("li", { onmouseenter: bring(true), onmouseleave: bring(false) }, sample, " ",
    zs.el("a", { href: zs.root + board.models[i].page, onfocus: bring(true), onblur: bring(false) }, board.models[i].name),
    board.models[i].trained_on ? zs.el("span", { class: "mark" }, ` ${board.mark}`) : null);
}));

/** What a plot says when it shows fewer models than the table. */
zs.fewer = (shown, all) => shown < all ? `The first ${shown} of the ${all} models in the table. ` : "";
