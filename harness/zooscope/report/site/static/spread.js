"use strict";
// The score of every image, a row of dots a model; each dot leads to its image.

zs.spread = (board, name) => {
  const METRICS = Object.fromEntries(board.metrics.map(metric => [metric.name, metric]));
  const MOST = 10, RADIUS = 3.4;
  let by = null;
  const quantile = (sorted, part) => {
    const at = part * (sorted.length - 1), low = Math.floor(at);
    return sorted[low] + (at - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
  };
  const values = ({ images, view }, i) => images.subsets[view.subset].map(n => [n, images.scores[by][i][n]]).filter(([, score]) => score !== null);
  return {
    title: "Scores of the single images",
    load: async () => {
      const images = await zs.load(`${name}/images`);
      by ??= Object.keys(images.scores)[0];
      return { images };
    },
    controls: redraw => zs.el("div", { class: "controls" }, zs.select("score",
      [...new Set([board.ranked_by, board.judged_by])].filter(key => METRICS[key]).map(key => [key, METRICS[key].label]), by, value => { by = value; redraw(); })),
    draw: (context, width) => {
      const { images, models } = context, first = models.slice(0, MOST);
      const box = { left: 12, right: width - 12, top: 4 };
      const axis = images.axes[by];
      const x = zs.linear(...axis, box.left, box.right), step = RADIUS * 2;
      const svg = zs.canvas(width, 100, `${zs.titled(METRICS[by])} of each image, by model`), rows = [];
      let top = box.top;
      for (const [series, i] of first.entries()) {
        const found = values(context, i).sort((a, b) => a[1] - b[1]), heights = new Map();
        for (const [, score] of found) { const bin = Math.round(x(score) / step); heights.set(bin, (heights.get(bin) ?? 0) + 1); }
        const tall = Math.max(2, ...heights.values()), squeeze = Math.min(1, 8 / tall), height = 24 + tall * step * squeeze + 16;
        const base = top + height - 12, sorted = found.map(([, score]) => score), filled = new Map();
        const middle = quantile(sorted, 0.5), lower = quantile(sorted, 0.25), upper = quantile(sorted, 0.75);
        svg.append(zs.svg("text", { class: "head", x: box.left, y: top + 16, "aria-hidden": "true" }, board.models[i].name),
          zs.svg("line", { class: "grid", x1: box.left, x2: box.right, y1: base, y2: base }));
        if (sorted.length) svg.append(zs.svg("rect", { class: "quartiles", x: x(lower), y: base + 2, width: Math.max(1, x(upper) - x(lower)), height: 6, rx: 3 }),
          zs.svg("line", { class: "median", x1: x(middle), x2: x(middle), y1: base, y2: base + 10 }));
        rows.push(found.map(([n, score]) => {
          const bin = Math.round(x(score) / step), level = filled.get(bin) ?? 0;
          filled.set(bin, level + 1);
          const dot = zs.svg("circle", { class: "dot s0", cx: bin * step, cy: base - RADIUS - level * step * squeeze, r: RADIUS, "data-image": n });
          const link = zs.svg("a", { href: context.pictures ? zs.imageAddress(board, images, i, n) : null, "data-image": n,
            onmouseenter: () => same(svg, n, true), onmouseleave: () => same(svg, n, false), onfocus: () => same(svg, n, true), onblur: () => same(svg, n, false) }, dot);
          return zs.tip(link, `${images.ids[n].slice(0, 16)}, ${images.strata[n]}: ${zs.valued(score, METRICS[by])} by ${board.models[i].name}`, context.pictures ? null : "img");
        }));
        top += height;
      }
      svg.append(...rows.flat());
      zs.rove(rows.filter(row => row.length));
      zs.axes(svg, { ...box, bottom: top }, { x, xTicks: zs.ticks(...axis, 5), xText: value => String(value), xLabel: zs.titled(METRICS[by]) });
      svg.setAttribute("height", top + 44);
      svg.setAttribute("viewBox", `0 0 ${width} ${top + 44}`);
      return { svg, note: `${zs.fewer(first.length, models.length)}One dot an image; below them median and quartiles. A dot that is pointed at shows the same image in all rows${context.pictures ? ", and leads to it" : ""}.` };
    },
    table: context => ({
      head: ["model", "images", ...["worst", "lower quartile", "median", "upper quartile", "best"].map((word, n, words) =>
        METRICS[by].higher_is_better || n % 4 ? word : words[4 - n])],
      rows: context.models.map(i => {
        const sorted = values(context, i).map(([, score]) => score).sort((a, b) => a - b);
        return [board.models[i].name, sorted.length, ...(sorted.length ? [0, 0.25, 0.5, 0.75, 1].map(part => zs.fixed(quantile(sorted, part), METRICS[by].digits)) : [])];
      }),
    }),
  };

  function same(svg, n, on) {
    for (const dot of svg.querySelectorAll(`circle[data-image="${n}"]`)) dot.classList.toggle("out", on);
  }
};
