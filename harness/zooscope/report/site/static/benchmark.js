"use strict";
// A benchmark's page: one view (subset, order, filters, columns) that the table and the plots follow.

zs.benchmark = (name, pictures) => {
  const board = zs.given[`${name}/board`], columns = zs.columns(board);
  const view = {
    subset: "all", sort: "rank", down: false, search: "", method: "", weights: "", licence: "", unmarked: false, seconds: null, megabytes: null, long: false,
    columns: new Set(columns.filter(column => column.first).map(column => column.key)),
  };
  const host = id => document.getElementById(id);
  const parts = { ...(board.curve && { curve: zs.curve(board) }), cost: zs.cost(board), strata: zs.strata(board), spread: zs.spread(board, name), pairs: zs.pairs(board, name) };
  const plots = Object.entries(parts).map(([key, part]) => zs.plot(host(`plot-${key}`), part));
  const change = wanted => { Object.assign(view, wanted); refresh(); };
  const sort = column => change(view.sort === column.key ? { down: !view.down } : { sort: column.key, down: !!column.down });
  zs.subsets(host("subsets"), { board, view, change });
  const count = zs.filters(host("filters"), { board, columns, view, change });
  const refresh = () => {
    const models = zs.shown(board, columns, view);
    zs.table(host("table"), { board, columns, view, models, sort, change });
    count.textContent = `${models.length} of ${board.models.length} models`;
    host("verdict").textContent = board.verdicts[view.subset];
    for (const update of plots) update({ board, view: { ...view }, models, pictures });
  };
  refresh();
  if (pictures) zs.gallery(host("gallery"), board, name);
};
