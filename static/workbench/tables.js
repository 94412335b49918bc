// Gives the cells of tables their headings, so that each row can be a list on a narrow screen; admin.css does the rest. Fields in tables get
// the heading as their name where they have none, and boxes that scroll can be reached by keys.
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
  for (const field of document.querySelectorAll("td :is(input:not([type=hidden]), select, textarea)")) {
    const cell = field.closest("td"), head = cell.closest("table").querySelectorAll("thead th")[cell.cellIndex];
    if (!field.labels?.length) field.ariaLabel ??= cell.dataset.label || head?.textContent.trim() || null;
  }
  for (const box of document.querySelectorAll(".mw-tall")) {
    box.tabIndex = 0;
    box.role = "region";
    box.ariaLabel = box.closest(".mw-panel")?.querySelector("h2")?.firstChild.textContent.trim() || "Table";
  }
});
