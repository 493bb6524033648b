// The console's own script: theme, search key, copy buttons, dismissed toasts, typed confirmations, filters, choosing.
// Loaded in <head> without defer, so that a stored theme paints first; everything else listens on the document,
// because htmx replaces parts of the page. Every page works without it.
(function () {
  const root = document.documentElement;
  const stored = localStorage.getItem("theme");
  if (stored) root.dataset.theme = stored;

  function switchTheme() {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    localStorage.setItem("theme", root.dataset.theme);
  }

  // data-copy holds the text itself, "#id" of the element that does, or "location" for the page's address.
  async function copy(button) {
    const what = button.dataset.copy;
    const text = what === "location" ? location.href
      : what.startsWith("#") ? document.querySelector(what).innerText
      : what;
    const label = button.querySelector("[data-label]");
    const before = label.textContent;
    try {
      await navigator.clipboard.writeText(text);
      label.textContent = "Copied";
    } catch (refused) {
      label.textContent = "Select and copy";  // no clipboard on a page served without TLS
    }
    setTimeout(function () { label.textContent = before; }, 2000);
  }

  document.addEventListener("click", function (event) {
    if (event.target.closest("[data-theme-switch]")) return switchTheme();
    const button = event.target.closest("[data-copy]");
    if (button) return copy(button);
    const dismiss = event.target.closest("[data-dismiss]");
    if (dismiss) dismiss.closest(dismiss.dataset.dismiss).remove();
  });

  document.addEventListener("keydown", function (event) {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select, [contenteditable]")) return;
    const search = document.getElementById("q");
    if (!search) return;
    event.preventDefault();
    search.focus();
    search.select();
  });

  // A button that waits for a phrase: <input data-unlocks="button-id" data-phrase="delete 12 jobs">.
  // The server compares the phrase again.
  document.addEventListener("input", function (event) {
    const id = event.target.dataset.unlocks;
    if (id) document.getElementById(id).disabled = event.target.value.trim() !== event.target.dataset.phrase;
  });

  document.addEventListener("DOMContentLoaded", function () {
    for (const field of document.querySelectorAll("[data-unlocks]")) field.dispatchEvent(new Event("input", { bubbles: true }));
    for (const form of document.querySelectorAll("form[data-picking]")) form.dispatchEvent(new Event("change", { bubbles: true }));
  });

  // An empty field is no filter: leave it out of the address.
  document.addEventListener("submit", function (event) {
    if (!event.target.matches("form.filters")) return;
    for (const field of event.target.elements) if (field.name && !field.value) field.disabled = true;
  });
  window.addEventListener("pageshow", function () {
    for (const field of document.querySelectorAll("form.filters :disabled")) field.disabled = false;
  });

  // Choosing rows: <form data-picking> with [data-pick="jobs in it"] boxes, [data-pick-all] for the page, and
  // [data-pick-every="jobs"] for all pages. [data-picked] tells how many rows, each [data-verb] button how many jobs.
  document.addEventListener("change", function (event) {
    const form = event.target.closest("form[data-picking]");
    if (!form) return;
    const boxes = Array.from(form.querySelectorAll("[data-pick]"));
    const every = form.querySelector("[data-pick-every]");
    const all = form.querySelector("[data-pick-all]");
    if (event.target === all) for (const box of boxes) box.checked = all.checked;
    let picked = 0, jobs = 0;
    for (const box of boxes) {
      box.closest("tr").classList.toggle("is-selected", box.checked);
      if (box.checked) { picked += 1; jobs += Number(box.dataset.pick); }
    }
    if (event.target !== every && picked < boxes.length && every) every.checked = false;
    if (all) { all.checked = picked === boxes.length; all.indeterminate = picked > 0 && picked < boxes.length; }
    const told = form.querySelector("[data-picked]");
    if (!told) return;
    if (every && every.checked) jobs = Number(every.dataset.pickEvery);
    const rows = every && every.checked ? jobs : picked;
    told.textContent = rows.toLocaleString("en") + " " + (rows === 1 ? told.dataset.one : told.dataset.many)
      + (told.dataset.one === "group" && picked ? ", " + jobs.toLocaleString("en") + (jobs === 1 ? " job" : " jobs") : "");
    for (const button of form.querySelectorAll("[data-verb]")) {
      button.disabled = !jobs;
      button.textContent = button.dataset.verb + (jobs ? " of " + jobs.toLocaleString("en") : "");
    }
  });

  // Narrow a list while typing: <input data-narrows="list-id">. Items carry data-item, their groups data-group.
  // Those that hold most of the words stay; words of every sentence do not count.
  const COMMON = new Set("a an and are as at be but by can for from in is it its my not of on or our the to we with".split(" "));
  document.addEventListener("input", function (event) {
    const id = event.target.dataset.narrows;
    if (!id) return;
    const all = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    const telling = all.filter(function (word) { return word.length > 1 && !COMMON.has(word); });
    const words = telling.length ? telling : all;
    const list = document.getElementById(id);
    const held = new Map();
    for (const item of list.querySelectorAll("[data-item]")) {
      const text = item.textContent.toLowerCase();
      held.set(item, words.filter(function (word) { return text.includes(word); }).length);
    }
    const most = Math.max(0, ...held.values());
    for (const [item, number] of held) item.hidden = words.length > 0 && (number === 0 || number < most);
    for (const group of list.querySelectorAll("[data-group]")) {
      group.hidden = !group.querySelector("[data-item]:not([hidden])");
    }
    const none = document.getElementById(id + "-none");
    if (none) none.hidden = Boolean(list.querySelector("[data-item]:not([hidden])"));
  });
})();
