"use strict";
// The page of the images: one picture, a model's prediction, layers and parts to switch, other images and models by keys.

zs.imagePage = async name => {
  const board = zs.given[`${name}/board`], images = await zs.load(`${name}/images`);
  const { ids, strata, groups, scores, axes, shown } = images, view = zs.views[shown.view];
  const judged = board.judged_by, metric = board.metrics.find(one => one.name === judged), { label } = metric;
  const places = board.models.map((_, i) => i).filter(i => shown.rows[i] !== null);
  const state = { model: places[0], image: 0, zoom: 1, order: "worst", ...view.start() };
  const host = document.getElementById("viewer");

  const score = (i, n) => scores[judged][i][n];
  const ordered = down => ids.map((_, n) => n).sort((a, b) => zs.compare(score(state.model, a), score(state.model, b), down) || a - b);
  const orders = {
    worst: () => ordered(!metric.higher_is_better),
    best: () => ordered(metric.higher_is_better),
    name: () => ids.map((_, n) => n),
  };
  const read = () => {
    const [row, id] = location.hash.slice(1).split("/").map(decodeURIComponent);
    const model = places.find(i => board.models[i].row === row), image = ids.indexOf(id ?? "");
    if (model !== undefined) state.model = model;
    state.image = image >= 0 ? image : orders.worst()[0];
  };
  const go = wanted => {
    Object.assign(state, wanted);
    history.replaceState(null, "", `#${encodeURIComponent(board.models[state.model].row)}/${encodeURIComponent(ids[state.image])}`);
    draw();
  };
  const step = by => {
    const order = orders[state.order]();
    go({ image: order[(order.indexOf(state.image) + by + order.length) % order.length] });
  };
  const other = by => go({ model: places[(places.indexOf(state.model) + by + places.length) % places.length] });
  const pick = word => {
    const order = zs.bestFirst(scores[judged][state.model], metric);
    go({ image: { best: order[0], median: order[order.length >> 1], worst: order.at(-1) }[word] });
  };

  const box = zs.el("div", { class: "box", tabindex: "0", role: "region", "aria-label": "Picture, scrolls when it is enlarged" });
  const status = zs.el("p", { class: "verdict", role: "status", "aria-live": "polite" });
  const facts = zs.el("dl", { class: "pairs" }), ranking = zs.el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Models on this image" });
  const model = zs.el("select", { onchange: event => go({ model: +event.target.value }) }, places.map(i => zs.el("option", { value: i }, board.models[i].name)));
  const image = zs.el("select", { onchange: event => go({ image: +event.target.value }) });
  const main = view.sides.at(-1)[0], second = view.sides.length > 1 ? view.sides[0][0] : null;
  const layers = view.sides.map(([side, name]) => zs.el("fieldset", { class: "segments" }, zs.el("legend", { class: second ? "" : "hidden" }, name),
    view.layers.map(([key, press, text]) => zs.el("label", {},
      zs.el("input", { type: "radio", name: side, value: key, checked: key === state[side], onchange: () => show({ [side]: key }) }),
      zs.el("span", {}, text, " ", zs.el("kbd", {}, side === main ? press : press.toUpperCase()))))));
  const moved = view.controls?.(wanted => show(wanted)), below = zs.el("div", { class: "soft" });
  const parts = view.parts.map(([key, text, help], n) => zs.el("label", { title: help },
    zs.el("input", { type: "checkbox", value: key, checked: true, onchange: event => hide(key, !event.target.checked) }),
    zs.errorSample(key), ` ${text} `, zs.el("b", { "data-count": key }), " ", zs.el("kbd", {}, n + 1)));
  host.replaceChildren(
    zs.el("div", { class: "controls" },
      zs.el("label", { class: "choice" }, zs.el("span", {}, "model"), model),
      zs.el("label", { class: "choice grow" }, zs.el("span", {}, "image"), image),
      zs.select("order", [["worst", "worst first"], ["best", "best first"], ["name", "by name"]], state.order, value => { state.order = value; draw(); }),
      zs.el("div", { class: "buttons" },
        zs.el("button", { type: "button", onclick: () => step(-1) }, "← Previous"), zs.el("button", { type: "button", onclick: () => step(1) }, "Next →"),
        ["best", "median", "worst"].map(word => zs.el("button", { type: "button", onclick: () => pick(word) }, word)))),
    zs.el("div", { class: "viewer" },
      zs.el("div", { class: "left" },
        zs.el("div", { class: "bar-of-buttons" },
          zs.el("div", { class: "sides" }, layers),
          zs.el("div", { class: "buttons" },
            zs.el("button", { type: "button", "aria-label": "Smaller", onclick: () => zoom(0.5) }, "−"),
            zs.el("button", { type: "button", "aria-label": "Larger", onclick: () => zoom(2) }, "+"))),
        box, moved?.element, below,
        parts.length ? zs.el("fieldset", { class: "parts" }, zs.el("legend", { class: "hidden" }, "Errors to show"), parts) : null),
      zs.el("div", { class: "right" }, status, facts, zs.el("h2", {}, "Models on this image"), ranking,
        zs.el("details", {}, zs.el("summary", {}, "Keys"), zs.el("dl", { class: "pairs" },
          [["← →", "previous and next image"], ["↑ ↓", "other model"], ...second ? [] : view.layers.map(([, press, text]) => [press, text.toLowerCase()]),
            ...view.keys, ["+ −", "larger, smaller"], ["b m w", "best, median, worst image"]]
            .flatMap(([keys, text]) => [zs.el("dt", {}, zs.el("kbd", {}, keys)), zs.el("dd", {}, text)]))))));

  const stage = () => box.querySelector(".stage");
  const show = wanted => {
    Object.assign(state, wanted);
    if (!stage()) return;
    view.show(stage(), state);
    moved?.update(state);
    box.classList.toggle("enlarged", state.zoom > 1);
    stage().style.setProperty("--zoom", state.zoom);
    for (const [side] of view.sides) for (const input of host.querySelectorAll(`[name=${side}]`)) input.checked = input.value === state[side];
    for (const input of host.querySelectorAll(".parts input")) input.checked = !state.hidden.has(input.value);
  };
  const hide = (key, hidden) => { if (hidden) state.hidden.add(key); else state.hidden.delete(key); show({}); };
  const zoom = factor => show({ zoom: Math.min(8, Math.max(1, state.zoom * factor)) });

  let drawing = 0;
  async function draw() {
    const turn = ++drawing, n = state.image, i = state.model, order = orders[state.order]();
    image.replaceChildren(...order.map(k => zs.el("option", { value: k, selected: k === n }, `${zs.valued(score(i, k), metric)}  ${strata[k]}  ${ids[k].slice(0, 24)}`)));
    model.value = String(i);
    const drawn = await view.draw({ name, pictures: shown.pictures, folder: shown.rows[i], id: ids[n] });
    if (turn !== drawing) return;
    box.replaceChildren(drawn.stage);
    below.replaceChildren(drawn.below ?? "");
    view.drag?.(drawn.stage, wanted => show(wanted));
    show({});
    status.textContent = `${zs.valued(score(i, n), metric)} (${label}): ${drawn.said}.`;
    for (const [key] of view.parts) host.querySelector(`[data-count="${key}"]`).textContent = drawn.counts[key];
    facts.replaceChildren(...[["model", zs.el("a", { href: zs.root + board.models[i].page }, board.models[i].name)], ["image", ids[n]], ["stratum", strata[n]], ["group", groups[n]],
      ["size", `${drawn.width} × ${drawn.height} px`], ["place", `${order.indexOf(n) + 1} of ${ids.length}, ${state.order === "name" ? "by name" : `${state.order} first`}`]]
      .flatMap(([key, value]) => [zs.el("dt", {}, key), zs.el("dd", {}, value)]));
    const best = [...places].sort((a, b) => zs.compare(score(a, n), score(b, n), metric.higher_is_better));
    ranking.replaceChildren(zs.el("table", {}, zs.el("caption", { class: "hidden" }, `${zs.titled(metric)} of each model on this image`),
      zs.el("thead", {}, zs.el("tr", {}, zs.el("th", { scope: "col", class: "word" }, "model"), zs.el("th", { scope: "col" }, zs.titled(metric)))),
      zs.el("tbody", {}, best.map(k => zs.el("tr", { "aria-current": k === i ? "true" : null },
        zs.el("th", { scope: "row", class: "word" }, zs.el("a", { href: zs.imageAddress(board, images, k, n), onclick: event => { event.preventDefault(); go({ model: k }); } }, board.models[k].name)),
        zs.el("td", {}, zs.scoreCell([score(k, n)], { ...metric, axis: axes[judged] })))))));
    document.title = `${ids[n].slice(0, 12)} by ${board.models[i].name}`;
  }

  document.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const arrow = event.key.startsWith("Arrow"), target = event.target;
    if (target.matches("select, input[type=text], input[type=search]") || (arrow && (target.matches("input") || (target === box && state.zoom > 1)))) return;
    const layer = view.layers.find(([, press]) => press === event.key), opposite = second && view.layers.find(([, press]) => press.toUpperCase() === event.key), part = view.parts[+event.key - 1];
    const keys = {
      ArrowLeft: () => step(-1), ArrowRight: () => step(1), ArrowUp: () => other(-1), ArrowDown: () => other(1),
      "+": () => zoom(2), "=": () => zoom(2), "-": () => zoom(0.5), b: () => pick("best"), m: () => pick("median"), w: () => pick("worst"),
    };
    const done = layer ? () => show({ [main]: layer[0] }) : opposite ? () => show({ [second]: opposite[0] }) : part ? () => hide(part[0], !state.hidden.has(part[0])) : keys[event.key];
    if (done) { event.preventDefault(); done(); }
  });
  window.addEventListener("hashchange", () => { read(); draw(); });
  read();
  draw();
};
