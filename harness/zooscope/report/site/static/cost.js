"use strict";
// Accuracy against speed or size, with the front of models that no other beats in both.

zs.cost = board => {
  const COSTS = { seconds: ["Speed", "seconds an image"], megabytes: ["Size", "MB of weights"] };
  const SHAPE = { package: 0, baseline: 1, labels: 3, images: 3 }, KIND = { package: "package", baseline: "baseline", labels: "another tool", images: "another tool" };
  const ranking = board.metrics.find(metric => metric.name === board.ranked_by);
  let cost = "seconds";
  const points = ({ view, models }) => models.map(i => ({ i, cost: board.models[i][cost], score: board.standings[view.subset][i].scores[board.ranked_by] }))
    .filter(point => point.cost !== null && point.score[0] !== null);
  const front = found => {
    let best = -Infinity;
    const sign = ranking.higher_is_better ? 1 : -1;
    return [...found].sort((a, b) => a.cost - b.cost || sign * (b.score[0] - a.score[0]))
      .filter(({ score }) => sign * score[0] > best && ((best = sign * score[0]), true));
  };
  return {
    title: "Accuracy against speed and size",
    controls: redraw => zs.el("fieldset", { class: "segments" }, zs.el("legend", { class: "hidden" }, "Cost"),
      Object.entries(COSTS).map(([key, [name]]) => zs.el("label", {},
        zs.el("input", { type: "radio", name: "cost", value: key, checked: key === cost, onchange: () => { cost = key; redraw(); } }), zs.el("span", {}, name)))),
    draw: (context, width) => {
      const found = points(context), height = 340;
      if (!found.length) return { note: "No model here tells it." };
      const svg = zs.canvas(width, height, `${zs.titled(ranking)} of ${found.length} models against ${COSTS[cost][1]}`);
      const costs = found.map(point => point.cost).filter(value => value > 0);
      const low = Math.min(...costs, 1) / 1.6, high = Math.max(...costs, low * 4) * 1.6, none = found.some(point => point.cost === 0);
      const box = { left: 46, right: width - 12, top: 12, bottom: height - 48 };
      const log = zs.log(low, high, box.left + (none ? 40 : 0), box.right), x = value => value > 0 ? log(value) : box.left + 16;
      const ends = found.flatMap(({ score }) => score), span = ranking.axis[0] === 0 && ranking.axis[1] === 1
        ? [Math.max(0, Math.floor(Math.min(...ends) * 10 - 0.2) / 10), Math.min(1, Math.ceil(Math.max(...ends) * 10 + 0.2) / 10)] : ranking.axis;
      const y = zs.linear(...span, box.bottom, box.top);
      zs.axes(svg, box, { x, xTicks: [...(none ? [0] : []), ...zs.logTicks(low, high)], xText: value => String(value), xLabel: COSTS[cost][1],
        y, yTicks: zs.ticks(...span, 5), yText: String, yLabel: zs.titled(ranking) });
      const best = front(found), onFront = new Set(best.map(({ i }) => i));
      const path = best.map(({ cost: c, score }, n) => `${n ? `H${x(c).toFixed(1)}V` : `M${x(c).toFixed(1)},`}${y(score[0]).toFixed(1)}`).join("");
      svg.append(zs.svg("path", { class: "front", d: `${path}H${box.right}` }));
      const dots = [...found].sort((a, b) => a.cost - b.cost).map(point => {
        const model = board.models[point.i], px = x(point.cost), py = y(point.score[0]);
        const whisker = point.score.length > 1 ? zs.svg("line", { class: "whisker", x1: px, x2: px, y1: y(point.score[1]), y2: y(point.score[2]) }) : null;
        const mark = zs.mark(SHAPE[model.kind] ?? 0, px, py, 5.5);
        mark.setAttribute("class", onFront.has(point.i) ? "point on" : "point");
        const link = zs.svg("a", { href: zs.root + model.page }, whisker, zs.svg("circle", { class: "hit", cx: px, cy: py, r: 11 }), mark);
        const where = onFront.has(point.i) ? "; on the front" : "";
        return zs.tip(link, `${model.name}${model.trained_on ? ` ${board.mark}` : ""}: ${zs.said(point.score, ranking)} at ${point.cost} ${COSTS[cost][1]}${where}`, null);
      });
      svg.append(...dots, ...names(svg, found, onFront, { x, y, box }));
      zs.rove([dots]);
      const kinds = [...new Set(found.map(({ i }) => board.models[i].kind))];
      const legend = zs.el("ul", { class: "legend" }, kinds.map(kind => {
        const mark = zs.mark(SHAPE[kind] ?? 0, 7, 7, 5);
        mark.setAttribute("class", "point");
        return zs.el("li", {}, zs.svg("svg", { width: 14, height: 14, "aria-hidden": "true" }, mark), ` ${KIND[kind] ?? kind}`);
      }), zs.el("li", {}, zs.svg("svg", { width: 30, height: 12, "aria-hidden": "true" }, zs.svg("path", { class: "front", d: "M1,10H14V3H29" })), " front: none is both better and cheaper (filled)"));
      const lacking = context.models.length - found.length;
      return { svg, legend, note: lacking ? `${lacking} more tell no ${COSTS[cost][1]}.` : "" };
    },
    table: context => {
      const found = points(context), onFront = new Set(front(found).map(({ i }) => i));
      return { head: ["model", COSTS[cost][1], zs.titled(ranking), "on the front"],
        rows: found.map(({ i, cost: value, score }) => [board.models[i].name, String(value), zs.said(score, ranking), onFront.has(i) ? "yes" : ""]) };
    },
  };

  /** Names beside the points that have room for one: first those on the front. */
  function names(svg, found, onFront, { x, y, box }) {
    const taken = found.map(({ cost: c, score }) => [x(c) - 7, y(score[0]) - 7, 14, 14]), placed = [];
    const free = ([left, top, w, h]) => left > box.left && left + w < box.right && top > box.top - 8 && top + h < box.bottom
      && taken.every(([l, t, tw, th]) => left + w < l || l + tw < left || top + h < t || t + th < top);
    for (const { i, cost: c, score } of [...found].sort((a, b) => onFront.has(b.i) - onFront.has(a.i)).slice(0, 30)) {
      const name = board.models[i].name.length > 26 ? `${board.models[i].name.slice(0, 25)}…` : board.models[i].name;
      const w = name.length * 6.4, px = x(c), py = y(score[0]);
      const spot = [[px + 7, py - 20], [px + 9, py + 3], [px - 9 - w, py - 7], [px - w / 2, py - 23], [px - w / 2, py + 10]].map(([l, t]) => [l, t, w, 13]).find(free);
      if (!spot) continue;
      taken.push(spot);
      placed.push(zs.svg("text", { class: "name", "aria-hidden": "true", x: spot[0], y: spot[1] + 11 }, name));
    }
    return placed;
  }
};
