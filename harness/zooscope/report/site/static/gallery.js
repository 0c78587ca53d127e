"use strict";
// Best, median and worst image of a model, drawn when they come into sight.

/** One figure: a picture with its errors, that leads to its page. */
zs.shot = ({ name, view, pictures, folder, row, id, word, score, metric }) => {
  const link = zs.el("a", { href: `${zs.address(name)}/image.html#${encodeURIComponent(row)}/${encodeURIComponent(id)}` });
  const said = zs.el("span");
  const figure = zs.el("figure", { class: "shot" }, link,
    zs.el("figcaption", {}, zs.el("b", {}, word), ` ${zs.fixed(score)} (${metric})`, zs.el("br"), said));
  new IntersectionObserver(async (entries, observer) => {
    if (!entries.some(entry => entry.isIntersecting)) return;
    observer.disconnect();
    const drawn = await zs.views[view].draw({ name, pictures, folder, id });
    link.replaceChildren(drawn.stage);
    said.textContent = drawn.said;
  }, { rootMargin: "200px" }).observe(figure);
  return figure;
};

/** The gallery of a benchmark: a model to choose, its three images. */
zs.gallery = async (host, board, name) => {
  const draw = async place => {
    const { ids, scores, shown } = await zs.load(`${name}/images`);
    const metric = Object.keys(scores).at(-1), label = board.metrics.find(one => one.name === metric)?.label ?? metric;
    const order = scores[metric][place].map((score, n) => [n, score]).filter(([, score]) => score !== null).sort((a, b) => b[1] - a[1] || a[0] - b[0]);
    const picked = [["best", order[0]], ["median", order[order.length >> 1]], ["worst", order.at(-1)]];
    shots.replaceChildren(...shown.rows[place] === null ? [zs.el("p", { class: "note" }, "The label images of this row are not stored.")]
      : picked.map(([word, [n, score]]) => zs.shot({ name, ...shown, folder: shown.rows[place], row: board.models[place].row, id: ids[n], word, score, metric: label })));
  };
  const shots = zs.el("div", { class: "shots" });
  host.replaceChildren(
    zs.el("div", { class: "controls" }, zs.select("model", board.models.map((model, i) => [String(i), model.name]), "0", value => draw(+value))),
    zs.errorKey(), shots);
  new IntersectionObserver((entries, observer) => {
    if (entries.some(entry => entry.isIntersecting)) { observer.disconnect(); draw(0); }
  }, { rootMargin: "300px" }).observe(host);
};

/** The same on a model's page, for each benchmark. */
zs.modelShots = () => {
  for (const host of document.querySelectorAll(".shots[data-shots]")) {
    const { benchmark, row, shots } = host.dataset;
    host.before(zs.errorKey());
    host.replaceChildren(...JSON.parse(shots).map(shot => zs.shot({ name: benchmark, row, ...shot })));
  }
};
