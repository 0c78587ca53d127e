"use strict";
// A restored image: noisy, restored, truth and residual, two of them at a time with a line between that a slider moves.

(() => {
  const signed = value => `${value < 0 ? "−" : "+"}${Math.abs(value)}`;

  /** Show the layers of a state on both sides of the line; a picture is loaded when it is first shown. */
  const show = (stage, { left, right, at }) => {
    stage.style.setProperty("--at", `${at}%`);
    for (const image of stage.querySelectorAll("img")) {
      const { layer } = image.dataset, sides = [[left, "left"], [right, "right"]].filter(([shown]) => shown === layer).map(([, side]) => side);
      image.hidden = !sides.length;
      image.className = sides.length === 1 ? sides[0] : "";
      if (sides.length && !image.src) image.src = image.dataset.address;
    }
    for (const [side, layer] of [["left", left], ["right", right]]) stage.querySelector(`.name.${side}`).textContent = layer;
    const seen = left === right ? left : `${left} left of a line at ${Math.round(at)} %, ${right} right of it`;
    stage.setAttribute("aria-label", `${stage.dataset.said}. Shown: ${seen}.`);
  };

  /** The slider that moves the line; change(part of the state) tells where to. */
  const controls = change => {
    const range = zs.el("input", { type: "range", min: 0, max: 100, step: 1, oninput: event => change({ at: +event.target.value }) });
    const left = zs.el("span", { "aria-hidden": "true" }), right = zs.el("span", { "aria-hidden": "true" });
    const element = zs.el("div", { class: "slider" }, left, zs.el("label", {}, zs.el("span", { class: "hidden" }, "Line between the two sides"), range), right);
    const update = state => {
      range.value = state.at;
      range.setAttribute("aria-valuetext", `${Math.round(state.at)} % ${state.left}, then ${state.right}`);
      left.textContent = state.left;
      right.textContent = state.right;
    };
    return { element, update };
  };

  /** The pointer moves the line too; on a touch screen an enlarged picture is moved instead (touch-action in picture.css). */
  const drag = (stage, change) => {
    let held = false;
    const move = event => {
      const box = stage.getBoundingClientRect();
      change({ at: Math.min(100, Math.max(0, 100 * (event.clientX - box.left) / box.width)) });
    };
    stage.addEventListener("pointerdown", event => { if (event.button === 0) { held = true; stage.setPointerCapture(event.pointerId); move(event); } });
    stage.addEventListener("pointermove", event => { if (held) move(event); });
    for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, () => { held = false; });
  };

  zs.views.restored = {
    sides: [["left", "Left"], ["right", "Right"]],
    layers: [["noisy", "n", "Noisy"], ["restored", "r", "Restored"], ["truth", "t", "Truth"], ["residual", "d", "Residual"]],
    parts: [],
    start: () => ({ left: "noisy", right: "restored", at: 50 }),
    key: () => zs.el("p", { class: "soft" }, "Left of the line the noisy image, right of it the restored one, in one range of brightness."),
    show, controls, drag,
    keys: [["n r t d", "that layer on the right"], ["N R T D", "that layer on the left"], ["Tab, ← →", "to the slider; move the line"]],
    draw: async ({ name, pictures, folder, id }) => {
      const [picture, found] = await Promise.all([zs.load(`${name}/${pictures}/${id}`), zs.load(`${name}/${folder}/${id}`)]);
      const { width, height } = picture;
      const layer = (key, home) => zs.el("img", { "data-layer": key, "data-address": zs.address(`${name}/${home}/${id}.${key}.webp`), alt: "", width, height, draggable: "false", hidden: true });
      const said = `restored less truth has mean ${signed(found.mean)} and standard deviation ${found.deviation}`;
      const stage = zs.el("div", { class: "stage swipe", role: "img", "data-said": `Image ${id}: ${said}`, style: `--ratio:${width / height}` },
        layer("noisy", pictures), layer("restored", folder), layer("truth", pictures), layer("residual", folder),
        zs.el("span", { class: "line", "aria-hidden": "true" }), zs.el("span", { class: "name left", "aria-hidden": "true" }), zs.el("span", { class: "name right", "aria-hidden": "true" }));
      const most = picture.residual;
      const below = zs.el("div", { class: "ranges" },
        zs.el("p", {}, `Residual: restored less truth${picture.colour ? ", luminance" : ""}, in values of the image; the same scale for all models.`),
        zs.el("p", { class: "scale" }, zs.el("span", {}, `−${most} or less`), zs.el("i", { "aria-hidden": "true" }), zs.el("span", {}, `+${most} or more`)),
        zs.el("p", {}, `Other layers: black is ${picture.range[0]}, white ${picture.range[1]}, percentiles ${picture.percentiles.join(" and ")} of the truth.`));
      return { stage, below, counts: {}, said, width, height };
    },
  };
})();
