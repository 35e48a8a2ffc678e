"use strict";
(() => {
  const root = document.documentElement;
  const plots = JSON.parse(document.getElementById("plots").textContent);
  const boxes = [...document.querySelectorAll("[data-plot]")];
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const touch = matchMedia("(pointer: coarse)").matches;
  const NARROW = 560;
  // What A4 and Letter have room for, in CSS pixels.
  const PAPER = 640;

  const config = {
    responsive: true, displaylogo: false, displayModeBar: touch ? false : "hover",
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
  };

  // A plot with each colour of the palette replaced by its value in the present theme.
  function inTheme(node, style) {
    if (typeof node === "string") {
      return /^var\(--[\w-]+\)$/.test(node) ? style.getPropertyValue(node.slice(4, -1)).trim() : node;
    }
    if (Array.isArray(node)) return node.map((item) => inTheme(item, style));
    if (node && typeof node === "object") {
      return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, inTheme(value, style)]));
    }
    return node;
  }

  function shownIn(box) {
    const plot = inTheme(plots[box.dataset.plot], getComputedStyle(root));
    // A finger that moves over a plot scrolls the page.
    if (touch) plot.layout.dragmode = false;
    plot.layout.uirevision = "kept";
    plot.layout.autosize = true;
    if (box.clientWidth < NARROW && plot.layout.legend === undefined) {
      plot.layout.legend = { font: { size: 11 }, itemwidth: 30 };
    }
    return plot;
  }

  function draw(box, onPaper = false) {
    const plot = shownIn(box);
    if (onPaper) plot.layout.width = Math.min(box.clientWidth, PAPER);
    return Plotly.react(box, plot.data, plot.layout, config);
  }

  // One after the other, with a breath between: the page answers meanwhile.
  async function drawAll() {
    for (const box of boxes) {
      await draw(box);
      box.dataset.drawn = "yes";
      await new Promise((resume) => setTimeout(resume, 0));
    }
    root.dataset.drawn = "all";
  }

  function drawAgain(onPaper = false) {
    boxes.forEach((box) => draw(box, onPaper));
  }

  function theme() {
    return root.dataset.theme || (dark.matches ? "dark" : "light");
  }

  document.getElementById("theme").addEventListener("click", () => {
    root.dataset.theme = theme() === "dark" ? "light" : "dark";
    try {
      localStorage.setItem("sweeper-theme", root.dataset.theme);
    } catch (error) { /* It then holds for this visit alone. */ }
    drawAgain();
  });
  dark.addEventListener("change", () => drawAgain());
  // On paper the page is light whatever the theme is.
  addEventListener("beforeprint", () => {
    document.querySelectorAll("details.numbers").forEach((details) => { details.open = true; });
    drawAgain(true);
  });
  addEventListener("afterprint", () => drawAgain());

  for (const button of document.querySelectorAll(".copy")) {
    button.addEventListener("click", async () => {
      const text = button.parentElement.querySelector("code").textContent;
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = "Copied";
      } catch (error) {
        getSelection().selectAllChildren(button.parentElement.querySelector("code"));
        button.textContent = "Selected";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
  }

  // The section that is being read, in the contents.
  const links = new Map(
    [...document.querySelectorAll(".contents a")].map((link) => [link.hash.slice(1), link]),
  );
  const seen = new Set();
  const observer = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) seen.add(target.id); else seen.delete(target.id);
    }
    const first = [...links.keys()].find((name) => seen.has(name));
    links.forEach((link, name) => {
      if (name === first) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    });
  }, { rootMargin: "-10% 0px -60% 0px" });
  document.querySelectorAll("main section").forEach((section) => observer.observe(section));

  drawAll();
})();
