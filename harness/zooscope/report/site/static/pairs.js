"use strict";
// Paired differences: row less column, on the same images.

zs.pairs = (board, name) => {
  const ranking = board.metrics.find(metric => metric.name === board.ranked_by), sign = ranking.higher_is_better ? 1 : -1;
  /** Difference of two places in the list, [score, low, high]. */
  const cell = ({ cells }, a, b) => {
    if (a === b) return null;
    if (a > b) return cells[a][b];
    const [score, low, high] = cells[b][a];
    return low === undefined ? [-score] : [-score, -high, -low];
  };
  const digits = Math.max(2, ranking.digits - 1), least = 10 ** -digits;
  const short = value => Math.abs(value) < least / 2 ? "0" : `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits).replace(/^0/, "")}`;
  const surely = found => found.length > 1 && (found[1] > 0 ? sign : found[2] < 0 ? -sign : 0);
  const compared = ({ pairs, view, models }) => {
    const place = new Map(pairs[view.subset].rows.map((i, at) => [i, at]));
    return models.filter(i => place.has(i)).map(i => [i, place.get(i)]);
  };
  return {
    title: `Paired differences in ${zs.titled(ranking)}`,
    load: async () => ({ pairs: await zs.load(`${name}/pairs`) }),
    draw: (context, width) => {
      const list = compared(context), found = context.pairs[context.view.subset];
      if (list.length < 2) return { note: "There are no two models to compare." };
      const left = Math.min(230, width * 0.36), size = Math.max(15, Math.min(62, (width - left - 4) / list.length)), high = Math.min(size, 34), top = 22;
      const svg = zs.canvas(Math.max(width, left + size * list.length + 4), top + high * list.length + 6, `Differences between ${list.length} models, row less column`);
      const most = Math.max(2 * least, ...found.cells.flat().map(one => Math.abs(one[0])));
      const letters = Math.floor(left / 7) - 4;
      const rows = list.map(([i, a], r) => {
        const y = top + high * r, label = board.models[i].name;
        svg.append(zs.svg("text", { x: left - 8, y: y + high / 2 + 4, "text-anchor": "end", "aria-hidden": "true" },
          `${label.length > letters ? `${label.slice(0, letters - 1)}…` : label}  ${r + 1}`),
        zs.svg("text", { x: left + size * (r + 0.5), y: 15, "text-anchor": "middle", "aria-hidden": "true" }, r + 1));
        return list.map(([j, b], c) => {
          const one = cell(found, a, b), x = left + size * c;
          if (!one) return zs.svg("g", {}, zs.svg("rect", { class: "self", x, y, width: size - 1, height: high - 1 }));
          const sure = surely(one), better = sign * one[0] > 0;
          const group = zs.svg("g", { class: sure ? "sure" : "unsure" },
            zs.svg("rect", { class: better ? "better" : "worse", x, y, width: size - 1, height: high - 1, "fill-opacity": (0.08 + 0.72 * Math.abs(one[0]) / most).toFixed(2) }),
            zs.svg("text", { x: x + size / 2 - 0.5, y: y + high / 2 + 4, "text-anchor": "middle", "aria-hidden": "true" },
              (size > 34 ? short(one[0]) : "") + (sure && (size > 50 || size <= 34) ? (sure > 0 ? "▲" : "▼") : "")));
          const words = sure ? (sure > 0 ? "surely better" : "surely worse") : "cannot be told apart";
          return zs.tip(group, `${board.models[i].name} less ${board.models[j].name}: ${zs.said(one, ranking, zs.signed)}; ${words}`);
        });
      });
      svg.append(...rows.flat());
      zs.rove(rows.map((row, r) => row.filter((_, c) => c !== r)));
      const rest = context.models.length - list.length;
      return { svg, note: `Row less column, columns numbered as rows. ${size > 50 || size <= 34 ? "▲ surely better, ▼ surely worse" : "Framed: surely better or worse"} (the paired interval leaves out 0); blue is better, orange worse.${rest ? ` Of the models in the table, the best ${found.rows.length} of the board are compared.` : ""}` };
    },
    table: context => {
      const list = compared(context), found = context.pairs[context.view.subset];
      return { head: ["row less column", ...list.map(([i]) => board.models[i].name)],
        rows: list.map(([i, a]) => [board.models[i].name, ...list.map(([, b]) => a === b ? "" : zs.said(cell(found, a, b), ranking, zs.signed))]) };
    },
  };
};
