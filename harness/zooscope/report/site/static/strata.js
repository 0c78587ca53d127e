"use strict";
// The score that ranks in each stratum, a panel each: bars, or dots where the axis does not begin at 0, so that no length deceives.

zs.strata = board => {
  const MOST = 6, ranking = board.metrics.find(metric => metric.name === board.ranked_by);
  const fromNothing = ranking.axis[0] === 0;
  const strata = board.subsets.filter(subset => subset.kind === "stratum");
  const score = (subset, i) => board.standings[subset.name][i].scores[board.ranked_by];
  return {
    title: `${zs.titled(ranking)} by stratum`,
    draw: ({ models }, width) => {
      if (!strata.length) return { note: "The data have no strata." };
      const first = models.slice(0, MOST), columns = Math.max(1, Math.floor(width / 300)), row = 21;
      const across = width / columns, panel = 46 + row * first.length + (fromNothing ? 18 : 32);
      const svg = zs.canvas(width, panel * Math.ceil(strata.length / columns), `${zs.titled(ranking)} of ${first.length} models in ${strata.length} strata`);
      const bars = strata.map((subset, n) => {
        const left = (n % columns) * across + 2, top = Math.floor(n / columns) * panel;
        const x = zs.linear(...ranking.axis, left + (fromNothing ? 0 : 4), left + across - 74);
        svg.append(zs.svg("text", { class: "head", x: left, y: top + 16, "aria-hidden": "true" }, subset.name),
          zs.svg("text", { x: left, y: top + 32, "aria-hidden": "true" }, `${subset.images} image${subset.images > 1 ? "s" : ""}, ${subset.groups} group${subset.groups > 1 ? "s" : ""}`),
          ...ranking.axis.map(end => zs.svg("line", { class: "grid", x1: x(end), x2: x(end), y1: top + 40, y2: top + 44 + row * first.length })),
          ...fromNothing ? [] : ranking.axis.map((end, e) => zs.svg("text", { class: "axis", x: x(end), y: top + 56 + row * first.length, "text-anchor": e ? "middle" : "start", "aria-hidden": "true" },
            e ? zs.valued(end, { ...ranking, digits: 0 }) : String(end))));
        return first.map((i, series) => {
          const found = score(subset, i), y = top + 44 + row * series, middle = y + 7;
          if (!found || found[0] === null) return zs.tip(zs.svg("g", {}, zs.svg("text", { x: left, y: middle + 4 }, "no score")), `${subset.name}, ${board.models[i].name}: no score`);
          const end = x(found[0]);
          const group = zs.svg("g", { class: "series", "data-series": series },
            fromNothing ? zs.svg("rect", { class: `fill s${series}`, x: left, y, width: Math.max(1, end - left), height: 14, rx: 2 })
              : [zs.svg("line", { class: "grid", x1: x(ranking.axis[0]), x2: x(ranking.axis[1]), y1: middle, y2: middle }), zs.svg("circle", { class: `fill s${series}`, cx: end, cy: middle, r: 5 })],
            found.length > 1 ? zs.svg("path", { class: "limit", d: `M${x(found[1])},${middle}H${x(found[2])}M${x(found[1])},${middle - 4}v8M${x(found[2])},${middle - 4}v8` }) : null,
            zs.mark(series, left + across - 62, middle, 4),
            zs.svg("text", { x: left + across - 52, y: middle + 4, "aria-hidden": "true" }, zs.fixed(found[0], Math.max(2, ranking.digits - 1))));
          return zs.tip(group, `${subset.name}, ${board.models[i].name}: ${zs.said(found, ranking)}`);
        });
      });
      svg.append(...bars.flat());
      zs.rove(bars);
      return { svg, legend: zs.legend(board, first, svg, { line: false }),
        note: `${zs.fewer(first.length, models.length)}No interval below ${board.min_groups} groups.` };
    },
    table: ({ models }) => ({
      head: ["stratum", "images", "groups", ...models.map(i => board.models[i].name)],
      rows: strata.map(subset => [subset.name, subset.images, subset.groups, ...models.map(i => zs.said(score(subset, i), ranking))]),
    }),
  };
};
