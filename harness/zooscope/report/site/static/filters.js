"use strict";
// What is shown: the subset of the images, filters of models, columns.

/** Buttons of the subsets, as one radio group. */
zs.subsets = (host, { board, view, change }) => {
  const named = board.subsets.filter(subset => subset.kind !== "stratum");
  if (named.length < 2) return;
  host.replaceChildren(zs.el("fieldset", { class: "segments" }, zs.el("legend", {}, "Part of the data"),
    named.map(subset => zs.el("label", {},
      zs.el("input", { type: "radio", name: "subset", value: subset.name, checked: subset.name === view.subset,
        onchange: () => change({ subset: subset.name }) }),
      zs.el("span", {}, subset.name, " ", zs.el("small", {}, `${subset.images} images, ${subset.groups} groups`))))));
};

/** Search, choices, limits and columns; change(part) tells what is wanted. Returns the line that says how many are left. */
zs.filters = (host, { board, columns, view, change }) => {
  const values = key => [...new Set(board.models.map(model => model[key] ?? "–"))].sort();
  const choice = key => values(key).length > 1
    ? zs.select(key, [["", "any"], ...values(key).map(value => [value, value])], view[key], value => change({ [key]: value })) : null;
  const limit = (key, label, step) => zs.el("label", { class: "choice" }, zs.el("span", {}, label),
    zs.el("input", { type: "number", min: 0, step, inputmode: "decimal", placeholder: "any",
      oninput: event => change({ [key]: event.target.value === "" ? null : +event.target.value }) }));
  const marked = board.models.some(model => model.trained_on);
  const unmarked = zs.el("label", { class: "check" },
    zs.el("input", { type: "checkbox", onchange: event => change({ unmarked: event.target.checked }) }),
    ` without ${board.mark} (maybe trained on these images)`);
  const count = zs.el("p", { class: "count", role: "status", "aria-live": "polite" });
  const search = zs.el("input", { type: "search", placeholder: "name, title, licence …", oninput: event => change({ search: event.target.value }) });
  host.replaceChildren(
    zs.el("form", { class: "filters", role: "search", "aria-label": "Filter the models", onsubmit: event => event.preventDefault() },
      zs.el("label", { class: "choice search" }, zs.el("span", {}, "search"), search),
      choice("method"), choice("weights"), choice("licence"), limit("seconds", "s / image up to", "0.1"), limit("megabytes", "MB up to", "1"),
      marked ? unmarked : null,
      zs.el("details", { class: "columns" }, zs.el("summary", {}, "Columns"), zs.el("div", {},
        columns.filter(column => !column.always).map(column => zs.el("label", { class: "check", title: column.help },
          zs.el("input", { type: "checkbox", checked: view.columns.has(column.key), onchange: event => {
            if (event.target.checked) view.columns.add(column.key); else view.columns.delete(column.key);
            change({});
          } }), ` ${column.label}`))))),
    count);
  return count;
};
