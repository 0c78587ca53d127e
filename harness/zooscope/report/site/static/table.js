"use strict";
// The ranking as a table: columns that can be sorted by, scores with their intervals as bars.

/** The columns that a board can show: value(i) sorts, cell(i) is shown, of the model at place i on a subset. */
zs.columns = board => {
  const models = board.models, ranking = board.metrics.find(metric => metric.name === board.ranked_by);
  const standing = (i, view) => board.standings[view.subset][i];
  const plain = (key, label, extra = {}) => ({
    key, label, first: true, word: true, value: i => models[i][key] ?? "", cell: i => models[i][key] ?? "–", ...extra,
  });
  const number = (key, label, digits, help) => plain(key, label, {
    word: false, help, value: i => models[i][key], cell: i => zs.fixed(models[i][key], digits),
  });
  const score = (metric, place) => ({
    key: metric.name, label: zs.titled(metric), help: `${metric.name}: ${metric.definition}`, down: metric.higher_is_better,
    first: place < board.at_first, score: true, main: metric.name === board.ranked_by,
    value: (i, view) => standing(i, view).scores[metric.name]?.[0],
    cell: (i, view) => zs.scoreCell(standing(i, view).scores[metric.name], metric, metric.name === board.ranked_by),
  });
  return [
    { key: "rank", label: "rank", first: true, always: true, cell: (i, view) => zs.rankCell(standing(i, view).rank),
      value: (i, view) => standing(i, view).rank?.[0] },
    { key: "name", label: "model", first: true, always: true, word: true, value: i => models[i].name, cell: i => zs.modelCell(board, i) },
    ...board.metrics.map(score),
    { key: "behind", label: "behind the best", first: true, down: ranking.higher_is_better, help: "paired difference of the score that ranks, on the same images",
      value: (i, view) => standing(i, view).behind?.[0] ?? 0, cell: (i, view) => zs.behindCell(standing(i, view).behind, ranking) },
    number("seconds", "s / image", 3, "median seconds an image, from its pixels to the result, where the row was made"),
    number("megabytes", "MB", 1, "size of the weights; a baseline has none"),
    plain("method", "method", { help: "the decoder of a model's maps, or what else makes the results" }),
    plain("weights", "weights"),
    plain("licence", "licence"),
    plain("trained_on", "declared training data", { first: false, value: i => models[i].trained_on ? 1 : 0,
      cell: i => models[i].trained_on ? `${board.mark} ${models[i].trained_on}` : "none of these images" }),
  ];
};

/** A score with its interval as a bar; the interval's numbers are shown where there is room, and said everywhere. */
zs.scoreCell = (score, { axis, digits }, roomy = true) => {
  if (!score || score[0] === null) return "–";
  const place = value => `${(100 * (value - axis[0]) / (axis[1] - axis[0] || 1)).toFixed(1)}%`;
  const bar = zs.el("span", { class: "bar", "aria-hidden": "true" });
  if (score.length > 1) bar.append(zs.el("i", { style: `left:${place(score[1])};right:calc(100% - ${place(score[2])})` }));
  bar.append(zs.el("b", { style: `left:${place(score[0])}` }));
  const limits = score.length > 1 ? zs.el("span", { class: roomy ? "limits" : "hidden" }, `${zs.fixed(score[1], digits)} to ${zs.fixed(score[2], digits)}`) : null;
  if (limits && !roomy) bar.title = limits.textContent;
  return [zs.el("span", { class: "value" }, zs.fixed(score[0], digits)), " ", limits, bar];
};

/** A rank, with its interval where one is known. */
zs.rankCell = rank => {
  if (!rank) return "–";
  return rank.length > 1 ? [String(rank[0]), zs.el("span", { class: "limits" }, `${rank[1]} to ${rank[2]}`)] : String(rank[0]);
};

zs.behindCell = (behind, { digits }) => {
  if (!behind) return zs.el("span", { class: "soft" }, "best");
  const limits = behind.length > 1 ? zs.el("span", { class: "limits" }, `${zs.signed(behind[1], digits)} to ${zs.signed(behind[2], digits)}`) : null;
  return [zs.signed(behind[0], digits), limits && zs.el("br"), limits];
};

zs.modelCell = (board, i) => {
  const model = board.models[i];
  const mark = model.trained_on
    ? zs.el("abbr", { class: "mark", title: `may have been trained on these images: ${model.trained_on}` }, ` ${board.mark}`) : null;
  return [zs.el("a", { href: zs.root + model.page }, model.name), mark, zs.el("small", { title: model.title }, model.title)];
};

/** Places of the models that pass the filters, in the order of the view. */
zs.shown = (board, columns, view) => {
  const column = columns.find(({ key }) => key === view.sort);
  const words = view.search.toLowerCase().split(/\s+/).filter(Boolean);
  const passes = model => {
    const text = [model.name, model.title, model.method, model.weights, model.licence].join(" ").toLowerCase();
    return words.every(word => text.includes(word))
      && ["method", "weights", "licence"].every(key => !view[key] || (model[key] ?? "–") === view[key])
      && !(view.unmarked && model.trained_on)
      && !(view.seconds !== null && !(model.seconds <= view.seconds))
      && !(view.megabytes !== null && !(model.megabytes <= view.megabytes));
  };
  const ranking = board.metrics.find(metric => metric.name === board.ranked_by);
  const ranked = i => (ranking.higher_is_better ? -1 : 1) * board.standings[view.subset][i].scores[board.ranked_by][0];
  return board.models.map((_, i) => i).filter(i => passes(board.models[i])).sort((a, b) =>
    zs.compare(column.value(a, view), column.value(b, view), view.down) || ranked(a) - ranked(b));
};

/** So many rows are shown before anybody asks for more: what comes below must stay in reach. */
zs.AT_FIRST = 50;

/** Draws the table into its host; sort(column) is called when a head is pressed, change(part) when more rows are wanted. */
zs.table = (host, { board, columns, view, models, sort, change }) => {
  const visible = columns.filter(column => column.always || view.columns.has(column.key));
  const head = visible.map(column => zs.el("th", {
    scope: "col", class: `${column.word ? "word" : ""} ${column.score ? "score" : ""} c-${column.key.replace(/[^a-z0-9]/g, "-")}`, title: column.help,
    "aria-sort": view.sort === column.key ? (view.down ? "descending" : "ascending") : null,
  }, zs.el("button", { type: "button", "data-key": column.key, onclick: () => sort(column) }, column.label)));
  const shown = view.long ? models : models.slice(0, zs.AT_FIRST);
  const rows = shown.map(i => zs.el("tr", {}, visible.map(column => zs.el(column.key === "name" ? "th" : "td", {
    class: `${column.word ? "word" : ""} ${column.main ? "main" : ""} c-${column.key.replace(/[^a-z0-9]/g, "-")}`,
    scope: column.key === "name" ? "row" : null,
  }, column.cell(i, view)))));
  const focused = host.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  const caption = zs.el("caption", { class: "hidden" }, `${board.title}, ${view.subset}: models with their scores`);
  const table = zs.el("table", { class: "ranking" }, caption, zs.el("thead", {}, zs.el("tr", {}, head)), zs.el("tbody", {}, rows));
  const more = shown.length < models.length
    ? zs.el("button", { type: "button", onclick: () => change({ long: true }) }, `Show all ${models.length} models`) : "";
  host.replaceChildren(zs.el("div", { class: "scroll", role: "region", "aria-label": "Ranking, scrolls sideways", tabindex: "0" }, table), more);
  if (focused) host.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
};
