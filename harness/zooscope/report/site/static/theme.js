"use strict";
// The colour theme: the system's, unless the reader chose one; the choice is kept where the browser lets a page keep it.
(() => {
  const page = document.documentElement;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const kept = () => { try { return localStorage.getItem("zooscope-theme"); } catch { return null; } };
  const keep = theme => { try { localStorage.setItem("zooscope-theme", theme); } catch { /* the choice lasts for this page */ } };
  const now = () => page.dataset.theme || (dark.matches ? "dark" : "light");
  if (kept()) page.dataset.theme = kept();
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const name = () => {
      const other = now() === "dark" ? "light" : "dark";
      button.textContent = other === "dark" ? "☾ Dark" : "☀ Light";
      button.setAttribute("aria-label", `Switch to the ${other} theme`);
    };
    button.addEventListener("click", () => {
      page.dataset.theme = now() === "dark" ? "light" : "dark";
      keep(page.dataset.theme);
      name();
    });
    dark.addEventListener("change", name);
    name();
    button.hidden = false;
  });
})();
