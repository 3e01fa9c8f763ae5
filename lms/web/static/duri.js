// Small comforts; every page works without them.
(() => {
  "use strict";
  const summary = document.getElementById("summary");
  if (summary) summary.focus();

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) {
      await navigator.clipboard.writeText(button.dataset.copy);
      const code = button.querySelector("code");
      const before = code.textContent;
      code.textContent = button.dataset.copied;
      setTimeout(() => { code.textContent = before; }, 1500);
    }
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const menu = document.querySelector("details.menu[open]");
    if (menu) { menu.open = false; menu.querySelector("summary").focus(); }
  });

  // A second click while the first is on its way would hand in twice.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post") return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "1";
  });
  // What a live region became is said once, however often the region is drawn.
  document.addEventListener("htmx:afterSwap", () => {
    const state = document.querySelector("[data-said]");
    const said = document.getElementById("said");
    if (state && said && said.textContent !== state.dataset.said) said.textContent = state.dataset.said;
  });
  setInterval(() => {
    for (const each of document.querySelectorAll("[data-ticks]")) each.textContent = Number(each.textContent) + 1;
  }, 1000);

  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  });
})();
