"use strict";
// A picture with what was found in it. One part of zs.views a kind of task; each has
//   sides: where a layer can be chosen for, [key in the state, name]; layers: [key, key to press, name]; keys: what else can be
//   pressed, [keys, what for]; parts: what can be hidden, [key, name, help]; start() -> the state at first; key() -> a legend,
//   draw({name, pictures, folder, id}) -> {stage, below, counts, said, width, height}: an element, what is told below it, of each
//   part how many there are, all in words; show(stage, state): makes the element show a state;
//   controls(change) -> {element, update(state)} and drag(stage, change), where there is more to move than layers.

zs.views.outlines = {
  sides: [["layer", "Layer"]],
  layers: [["errors", "e", "Errors"], ["prediction", "p", "Prediction"], ["truth", "t", "Truth"], ["image", "i", "Image only"]],
  parts: [
    ["hit", "hit", "matched with IoU of at least 0.5"],
    ["missed", "missed", "a true object that nothing was found for"],
    ["false", "false", "a found object that is none"],
    ["split", "split", "a true object with several found ones on it"],
    ["merged", "merged", "a true object that a found one covers together with others"],
  ],
  keys: [["1 … 5", "show or hide a kind of error"]],
  start: () => ({ layer: "errors", hidden: new Set() }),
  key: () => zs.el("ul", { class: "key" }, zs.views.outlines.parts.map(([key, name, help]) => zs.el("li", { title: help }, zs.errorSample(key), ` ${name}`)),
    zs.el("li", { class: "soft" }, "solid: found, dashed: true")),
  show: (stage, { layer, hidden }) => {
    stage.dataset.layer = layer;
    for (const [key] of zs.views.outlines.parts) stage.classList.toggle(`no-${key}`, hidden.has(key));
  },
  draw: async ({ name, pictures, folder, id }) => {
    const [picture, found] = await Promise.all([zs.load(`${name}/${pictures}/${id}`), zs.load(`${name}/${folder}/${id}`)]);
    const words = zs.views.outlines.parts.map(([key]) => key);
    const path = (d, kind, source, title) => zs.svg("path", { d, class: `v-${kind} of-${source}` }, zs.svg("title", {}, title));
    const under = paths => zs.svg("path", { class: "under", d: paths.join("") });
    const count = (verdicts, word) => verdicts.filter(verdict => words[verdict] === word).length;
    const counts = {
      hit: count(found.truth, "hit"), missed: count(found.truth, "missed"), false: count(found.predicted, "false"),
      split: count(found.truth, "split"), merged: count(found.truth, "merged"),
    };
    const wrong = found.truth.flatMap((verdict, n) => words[verdict] === "hit" ? [] : [[picture.truth[n], words[verdict]]]);
    const errors = zs.svg("g", { class: "errors" }, under([...found.paths, ...wrong.map(([d]) => d)]),
      wrong.map(([d, word]) => path(d, word, "truth", `true object: ${word}`)),
      found.paths.map((d, n) => path(d, words[found.predicted[n]], "prediction", `found object: ${words[found.predicted[n]]}, IoU ${found.iou[n].toFixed(2)}`)));
    const prediction = zs.svg("g", { class: "prediction" }, under(found.paths),
      found.paths.map((d, n) => path(d, "found", "prediction", `found object, IoU ${found.iou[n].toFixed(2)}`)));
    const truth = zs.svg("g", { class: "truth" }, under(picture.truth), picture.truth.map(d => path(d, "real", "truth", "true object")));
    const wrongs = words.slice(1).filter(word => counts[word]).map(word => `${counts[word]} ${word}`);
    const said = [`${counts.hit} of ${picture.truth.length} objects hit`, ...wrongs].join(", ");
    const stage = zs.el("div", { class: "stage", role: "img", style: `--ratio:${picture.width / picture.height}` },
      zs.el("img", { src: zs.address(`${name}/${pictures}/${id}.webp`), alt: "", width: picture.width, height: picture.height, loading: "lazy" }),
      zs.svg("svg", { viewBox: `0 0 ${picture.width} ${picture.height}`, "aria-hidden": "true" }, truth, prediction, errors));
    stage.setAttribute("aria-label", `Image ${id}: ${said}`);
    return { stage, counts, said, width: picture.width, height: picture.height };
  },
};

/** Places of the images with a score, the best first. */
zs.bestFirst = (scores, { higher_is_better: down }) =>
  scores.map((_, n) => n).filter(n => scores[n] !== null).sort((a, b) => zs.compare(scores[a], scores[b], down) || a - b);

/** Address of an image's page, beside the benchmark's, with a model's prediction. */
zs.imageAddress = (board, images, i, n) => `image.html#${encodeURIComponent(board.models[i].row)}/${encodeURIComponent(images.ids[n])}`;

/** A line as it surrounds objects of a verdict. */
zs.errorSample = key => zs.svg("svg", { class: "sample", width: 22, height: 14, "aria-hidden": "true" },
  zs.svg("path", { class: `v-${key} of-${key === "missed" ? "truth" : "prediction"}`, d: "M2,2H20V12H2z" }));
