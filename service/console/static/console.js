// What the pages gain where there is script: a menu that folds on a phone, keys for the next request, one press is one order.
"use strict";
const menu = document.querySelector(".menu");
if (menu && !window.matchMedia("(min-width: 60rem)").matches) menu.open = false;

const summary = document.querySelector(".error-summary");
if (summary) summary.focus();

document.addEventListener("submit", (event) => {
  if (event.target.method !== "post" || event.defaultPrevented || event.submitter?.formTarget) return;
  if (event.target.dataset.sent) { event.preventDefault(); return; }
  event.target.dataset.sent = "yes";
  setTimeout(() => { delete event.target.dataset.sent; }, 4000);
});

// Single keys work only while nothing is being typed, and can be turned off (the box on the page; kept in this browser).
const box = document.querySelector("#single-keys");
const off = () => localStorage.getItem("single-keys") === "off";
if (box) {
  box.checked = !off();
  box.addEventListener("change", () => localStorage.setItem("single-keys", box.checked ? "on" : "off"));
}
document.addEventListener("keydown", (event) => {
  if (!box || off() || event.ctrlKey || event.altKey || event.metaKey || event.target.closest("input:not([type=checkbox]), textarea, select")) return;
  const wanted = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (wanted) { event.preventDefault(); wanted.click(); }
});

// Things to be put in order can be dragged; the buttons do the same.
let dragged = null;
document.addEventListener("dragstart", (event) => { dragged = event.target.closest("[data-item]"); });
document.addEventListener("dragover", (event) => { if (dragged && event.target.closest("[data-item]")) event.preventDefault(); });
document.addEventListener("drop", (event) => {
  const over = event.target.closest("[data-item]");
  if (!dragged || !over || over === dragged) return;
  event.preventDefault();
  const form = document.querySelector("#reorder");
  const ids = [...document.querySelectorAll("[data-item]")].map((item) => item.dataset.item);
  const place = ids.indexOf(over.dataset.item);  // what is dragged takes it, whether it came from above or below
  ids.splice(ids.indexOf(dragged.dataset.item), 1);
  ids.splice(place, 0, dragged.dataset.item);
  form.elements.order.value = ids.join(",");
  form.requestSubmit();
});

// What was kept while writing shows in the picture of the mail; a phone is narrow.
document.addEventListener("htmx:afterRequest", (event) => {
  const frame = document.getElementById(event.detail.elt.dataset?.reloads || "");
  if (!frame) return;
  const fresh = new URL(frame.src);
  fresh.searchParams.set("at", performance.now()); // a browser leaves out a second load of one address while the first goes on
  frame.src = fresh;
});
document.addEventListener("click", (event) => {
  const link = event.target.closest('a[target="mail"]');
  if (link) document.querySelector("#live")?.classList.toggle("phone", link.href.endsWith("view=phone"));
});
