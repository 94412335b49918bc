// Gives the cells of tables their headings, so that each row can be a list on a narrow screen; admin.css does the rest.
document.addEventListener("DOMContentLoaded", () => {
  "use strict";
  const FIGURES = 3; // from so many columns of figures on they stand side by side
  for (const table of document.querySelectorAll(".mw-table:not(.is-stacked)")) {
    const heads = [...table.querySelectorAll("thead th")];
    if (!heads.length) continue;
    for (const row of table.tBodies[0]?.rows ?? []) {
      if (row.cells.length !== heads.length) continue;
      heads.forEach((head, place) => {
        const words = head.textContent.trim();
        if (place && words) row.cells[place].dataset.label ??= words;
      });
    }
    table.classList.add("is-stacked");
    table.classList.toggle("is-dense", heads.filter((head) => head.classList.contains("mw-number")).length >= FIGURES);
  }
});
