"use strict";
// AP against the IoU threshold, a line a model.

zs.curve = board => ({
  title: "AP against the IoU threshold",
  draw: ({ view, models }, width) => {
    const first = models.slice(0, zs.SERIES), height = 340;
    const label = `AP of ${first.length} models at IoU thresholds from 0.5 to 0.95`;
    const svg = zs.canvas(width, height, label);
    const box = { left: 46, right: width - 12, top: 12, bottom: height - 48 };
    const x = zs.linear(board.curve.thresholds[0], board.curve.thresholds.at(-1), box.left + 6, box.right - 6), y = zs.linear(0, 1, box.bottom, box.top);
    zs.axes(svg, box, { x, xTicks: board.curve.thresholds.filter((_, i) => width > 420 || i % 3 === 0), xText: value => value.toFixed(2), xLabel: "IoU threshold",
      y, yTicks: [0, 0.2, 0.4, 0.6, 0.8, 1], yText: value => value.toFixed(1), yLabel: "AP (mean of images)" });
    const lines = first.map((i, series) => {
      const scores = board.curve.scores[view.subset][i];
      const points = board.curve.thresholds.map((threshold, t) => [x(threshold), y(scores[t] ?? 0)]);
      const group = zs.svg("g", { class: "series", "data-series": series },
        zs.svg("polyline", { class: "hit", points: points.join(" ") }),
        zs.svg("polyline", { class: `line s${series}`, points: points.join(" "), "stroke-dasharray": zs.DASHES[series] }),
        points.map(([px, py]) => zs.mark(series, px, py, 3.5)));
      const said = board.curve.thresholds.map((threshold, t) => `${zs.fixed(scores[t])} at ${threshold.toFixed(2)}`);
      zs.tip(group, `${board.models[i].name}: ${said[0]}, ${said[5]}, ${said.at(-1)}`);
      return group;
    });
    svg.append(...[...lines].reverse());
    zs.rove(lines.map(line => [line]));
    return { svg, legend: zs.legend(board, first, svg), note: zs.fewer(first.length, models.length) };
  },
  table: ({ view, models }) => ({
    head: ["model", ...board.curve.thresholds.map(threshold => threshold.toFixed(2))],
    rows: models.map(i => [board.models[i].name, ...board.curve.scores[view.subset][i].map(score => zs.fixed(score))]),
  }),
});
