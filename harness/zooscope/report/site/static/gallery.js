"use strict";
// Best, median and worst image of a model, drawn when they come into sight.

/** One figure: a picture with what the view shows first, that leads to its page. */
zs.shot = ({ name, view, pictures, folder, row, id, word, score, metric, digits, unit }) => {
  const link = zs.el("a", { href: `${zs.address(name)}/image.html#${encodeURIComponent(row)}/${encodeURIComponent(id)}` });
  const said = zs.el("span");
  const figure = zs.el("figure", { class: "shot" }, link,
    zs.el("figcaption", {}, zs.el("b", {}, word), ` ${zs.valued(score, { digits, unit })} (${metric})`, zs.el("br"), said));
  new IntersectionObserver(async (entries, observer) => {
    if (!entries.some(entry => entry.isIntersecting)) return;
    observer.disconnect();
    const drawn = await zs.views[view].draw({ name, pictures, folder, id });
    zs.views[view].show(drawn.stage, zs.views[view].start());
    link.replaceChildren(drawn.stage);
    said.textContent = drawn.said;
  }, { rootMargin: "200px" }).observe(figure);
  return figure;
};

/** The gallery of a benchmark: a model to choose, its three images. */
zs.gallery = async (host, board, name) => {
  const metric = board.metrics.find(one => one.name === board.judged_by), { label, digits, unit } = metric;
  const draw = async place => {
    const { ids, scores: { [metric.name]: scores }, shown } = await zs.load(`${name}/images`), order = zs.bestFirst(scores[place], metric);
    const picked = [["best", order[0]], ["median", order[order.length >> 1]], ["worst", order.at(-1)]];
    key.replaceChildren(zs.views[shown.view].key());
    shots.replaceChildren(...shown.rows[place] === null ? [zs.el("p", { class: "note" }, "The predictions of this row are not stored.")]
      : picked.map(([word, n]) => zs.shot({ name, ...shown, folder: shown.rows[place], row: board.models[place].row, id: ids[n], word, score: scores[place][n], metric: label, digits, unit })));
  };
  const key = zs.el("div"), shots = zs.el("div", { class: "shots" });
  host.replaceChildren(
    zs.el("div", { class: "controls" }, zs.select("model", board.models.map((model, i) => [String(i), model.name]), "0", value => draw(+value))),
    key, shots);
  new IntersectionObserver((entries, observer) => {
    if (entries.some(entry => entry.isIntersecting)) { observer.disconnect(); draw(0); }
  }, { rootMargin: "300px" }).observe(host);
};

/** The same on a model's page, for each benchmark. */
zs.modelShots = () => {
  for (const host of document.querySelectorAll(".shots[data-shots]")) {
    const { benchmark, row, shots } = host.dataset;
    const given = JSON.parse(shots);
    host.before(zs.views[given[0].view].key());
    host.replaceChildren(...given.map(shot => zs.shot({ name: benchmark, row, ...shot })));
  }
};
