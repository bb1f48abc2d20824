
"use strict";
const figures = [];
const round = (v) => v == null ? "–" : Math.abs(v) >= 100 ? v.toFixed(0) : Math.abs(v) >= 1 ? v.toFixed(2) : v.toPrecision(3);
for (const figure of document.querySelectorAll("figure[data-plot]")) {
  const svg = figure.querySelector("svg"), read = figure.querySelector(".read"), cursor = figure.querySelector(".cursor");
  const plot = JSON.parse(figure.querySelector("script").textContent);
  const self = { plot, kind: figure.dataset.plot, at: -1, row: -1 };
  const place = (i) => plot.left + (plot.x[i] - plot.from) / ((plot.to - plot.from) || 1) * (plot.right - plot.left);
  self.show = (i, row) => {
    if (i < 0 || i >= plot.x.length) return;
    self.at = i;
    cursor.setAttribute("d", `M${place(i)} ${plot.top}V${plot.bottom}`);
    cursor.style.visibility = "visible";
    const parts = [plot.names ? plot.names[i] : round(plot.x[i]) + " s"];
    if (self.kind === "heat") {
      self.row = Math.max(0, Math.min(plot.rows.length - 1, row ?? self.row));
      const counts = plot.cells[i];
      parts.push(`${plot.rows[self.row]}: ${counts[self.row]} of ${counts.reduce((a, b) => a + b, 0)} requests`);
    } else {
      plot.series.forEach((s) => { if (!s.off) parts.push(`${s.name} ${round(s.v[i])} ${plot.unit}`); });
      (plot.marks || []).forEach((m) => { if (Math.abs(m.at - plot.x[i]) <= plot.step / 2) parts.push("▸ " + m.label); });
      (plot.spans || []).forEach((s) => { if (s.from <= plot.x[i] && plot.x[i] <= s.to) parts.push("▒ " + s.label); });
    }
    read.textContent = parts.join("  ·  ");
  };
  self.nearest = (x) => plot.x.reduce((best, v, i) => Math.abs(v - x) < Math.abs(plot.x[best] - x) ? i : best, 0);
  const all = (i, row) => {
    self.show(i, row);
    if (plot.names) return;
    for (const other of figures) if (other !== self && !other.plot.names && other.plot.x.length) other.show(other.nearest(plot.x[i]));
  };
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect(), wide = svg.viewBox.baseVal.width, tall = svg.viewBox.baseVal.height;
    const x = (event.clientX - box.left) / box.width * wide, y = (event.clientY - box.top) / box.height * tall;
    const value = plot.from + (x - plot.left) / (plot.right - plot.left) * (plot.to - plot.from);
    const row = plot.rows ? Math.floor((plot.bottom - y) / (plot.bottom - plot.top) * plot.rows.length) : undefined;
    if (plot.x.length) all(self.nearest(value), row);
  });
  svg.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -1e9, End: 1e9 }[event.key];
    if (step) { all(Math.max(0, Math.min(plot.x.length - 1, self.at + step)), self.row); event.preventDefault(); }
    const rise = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (rise && plot.rows) { self.show(Math.max(0, self.at), self.row + rise); event.preventDefault(); }
  });
  figure.querySelectorAll(".legend button").forEach((button, i) => button.addEventListener("click", () => {
    const off = plot.series[i].off = !plot.series[i].off;
    button.setAttribute("aria-pressed", String(!off));
    svg.querySelectorAll(`[data-series="${i}"]`).forEach((part) => part.classList.toggle("hidden", off));
    self.show(Math.max(0, self.at));
  }));
  figures.push(self);
}
const save = document.getElementById("save");
if (save) save.addEventListener("click", () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([document.getElementById("data").textContent], { type: "application/json" }));
  link.download = save.dataset.name;
  link.click();
});
