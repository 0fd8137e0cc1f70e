"use strict";
// Conveniences only: everything can be read without this script.
(() => {
  const root = document.documentElement;
  const all = (query, from = document) => [...from.querySelectorAll(query)];
  // Dark or light.
  const button = document.createElement("button");
  button.className = "theme";
  const dark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const show = () => { button.textContent = dark() ? "Light" : "Dark"; };
  button.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; show(); });
  document.querySelector("header").append(button);
  show();
  // The contents start closed where they would fill the screen.
  const contents = document.querySelector("nav details");
  if (matchMedia("(max-width: 56rem)").matches) contents.open = false;
  // What a link leads to is shown, also inside of what is folded away.
  const reveal = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    if (target) target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  if (location.hash) reveal();
  // Paper shows everything.
  let closed = [];
  addEventListener("beforeprint", () => { closed = all("main details:not([open])"); closed.forEach((d) => { d.open = true; }); });
  addEventListener("afterprint", () => { closed.forEach((d) => { d.open = false; }); });
  // Find statements by label or title.
  const field = document.querySelector(".find input");
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const item of all("nav ul ul li")) {
      const link = item.querySelector("a");
      const text = (link.textContent + " " + link.title).toLowerCase();
      item.hidden = !words.every((word) => text.includes(word));
    }
  });
  // Formulas that are wider than the page can be scrolled with the keyboard; a double click copies their LaTeX.
  const reach = new IntersectionObserver((seen) => {
    for (const { target, isIntersecting } of seen) {
      if (!isIntersecting || target.scrollWidth <= target.clientWidth + 1) continue;
      target.tabIndex = 0;
      target.setAttribute("role", "group");
      target.setAttribute("aria-label", "scrolls sideways");
    }
  });
  for (const box of all(".display, .table, pre")) reach.observe(box);
  addEventListener("dblclick", (event) => {
    const box = event.target.closest && event.target.closest(".display");
    if (!box || !navigator.clipboard) return;
    navigator.clipboard.writeText(box.dataset.tex).then(() => {
      box.classList.add("copied");
      setTimeout(() => box.classList.remove("copied"), 500);
    }, () => {});
  });
  // The neighbours of a statement in the graph.
  const graph = document.querySelector(".graph");
  if (graph) {
    const light = (name) => {
      graph.classList.toggle("lit", Boolean(name));
      for (const part of all(".near", graph)) part.classList.remove("near");
      if (!name) return;
      const near = new Set([name]);
      for (const edge of all(".edge", graph)) {
        if (edge.dataset.from !== name && edge.dataset.to !== name) continue;
        edge.classList.add("near");
        near.add(edge.dataset.from).add(edge.dataset.to);
      }
      for (const node of all("a", graph)) if (near.has(node.dataset.name)) node.classList.add("near");
    };
    for (const node of all("a", graph)) {
      node.addEventListener("mouseenter", () => light(node.dataset.name));
      node.addEventListener("focus", () => light(node.dataset.name));
      node.addEventListener("mouseleave", () => light(""));
      node.addEventListener("blur", () => light(""));
    }
  }
  // Where one is.
  const links = new Map(all("nav a").map((a) => [decodeURIComponent(a.hash.slice(1)), a]));
  let here = null;
  const watch = new IntersectionObserver((seen) => {
    for (const entry of seen) {
      const link = links.get(entry.target.id);
      if (!entry.isIntersecting || !link || link === here) continue;
      if (here) { here.classList.remove("here"); here.removeAttribute("aria-current"); }
      here = link;
      here.classList.add("here");
      here.setAttribute("aria-current", "true");
      const nav = document.querySelector("nav");
      if (nav.scrollHeight > nav.clientHeight) nav.scrollTop = Math.max(0, here.offsetTop - nav.clientHeight / 2);
    }
  }, { rootMargin: "0px 0px -85% 0px" });
  all("main section").forEach((section) => watch.observe(section));
})();
