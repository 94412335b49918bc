// Keeps a page's figures fresh. An element with data-live="<address>" is polled every two seconds; the answer is
// {stamp, finished, texts: {name: text}, bars: {name: 0-100}}. A new stamp means that more changed than figures: load the page again.
(() => {
  "use strict";
  const root = document.querySelector("[data-live]");
  if (!root) return;
  const EVERY = 2000, SLOWEST = 30000;
  let wait = EVERY;
  const set = (answer) => {
    for (const [name, text] of Object.entries(answer.texts)) {
      for (const element of document.querySelectorAll(`[data-text="${CSS.escape(name)}"]`)) {
        if (element.textContent !== text) element.textContent = text;
      }
    }
    for (const [name, value] of Object.entries(answer.bars)) {
      for (const element of document.querySelectorAll(`[data-bar="${CSS.escape(name)}"]`)) element.value = value;
    }
  };
  const editing = () => ["INPUT", "TEXTAREA", "SELECT"].includes(document.activeElement?.tagName);
  const lost = document.querySelector("[data-live-lost]");
  const poll = async () => {
    try {
      const response = await fetch(root.dataset.live, { headers: { Accept: "application/json" }, redirect: "error" });
      if (!response.ok) throw new Error(String(response.status));
      const answer = await response.json();
      if (lost) lost.hidden = true;
      wait = EVERY;
      set(answer);
      if (answer.stamp !== root.dataset.stamp && !editing()) return location.reload();
      if (answer.finished && answer.stamp === root.dataset.stamp) return undefined;
    } catch {
      if (lost) lost.hidden = false;   // the figures may be old: say so instead of standing still
      wait = Math.min(wait * 2, SLOWEST);
    }
    return setTimeout(poll, wait);
  };
  if (root.dataset.finished !== "true") setTimeout(poll, EVERY);
})();
