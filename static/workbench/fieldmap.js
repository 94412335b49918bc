// Shows what a field map would make of the values while its form is being filled in, before anything is saved.
(() => {
  "use strict";
  const samples = document.querySelector("[data-preview]");
  const form = document.querySelector("#fieldmap_form");
  if (!samples || !form) return;
  const WATCHED = ["column", "transform", "options"], PAUSE = 350;
  let timer, asked = 0;
  const look = async () => {
    const own = ++asked, body = new FormData();
    for (const name of [...WATCHED, "csrfmiddlewaretoken"]) body.set(name, form.elements[name]?.value ?? "");
    const response = await fetch(samples.dataset.preview, { method: "POST", body, redirect: "error" }).catch(() => null);
    if (response?.ok && own === asked) samples.innerHTML = await response.text();   // our own template, escaped there
  };
  form.addEventListener("input", (event) => {
    if (!WATCHED.includes(event.target.name)) return;
    clearTimeout(timer);
    timer = setTimeout(look, PAUSE);
  });
})();
