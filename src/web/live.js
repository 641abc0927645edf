// Keeps a page fresh while somebody looks at it: one request at a time for all that it shows, none while it is hidden.
// Narrows the overview as the search is typed. Without this the pages are complete as they were served.
"use strict";

const FAST = 2000, SLOW = 15000, AGAIN = 10000;
const find = (selector) => document.querySelector(selector);
const place = find("[data-live]"), tables = find("#tables"), search = find("#search");
const searched = search?.value ?? "";
let timer = 0, isAsking = false, mark = state().mark, renewed = 0;

// Whether there are more tables than lines: the server alone can search them.
function isMany() {
  return !tables || "many" in find("[data-found]").dataset;
}

function state() {
  return place?.querySelector("[data-running]")?.dataset ?? {};
}

async function ask(path) {
  const answer = await fetch(path, { headers: { accept: "text/html" } });
  if (!answer.ok) throw new Error(answer.statusText);
  return answer.text();
}

// Replaces a part of the page; what has the focus in it keeps it.
function put(where, html) {
  const focused = where.contains(document.activeElement) ? document.activeElement.id : "";
  where.innerHTML = html;
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

async function refresh() {
  if (isAsking || document.hidden) return;
  isAsking = true;
  const before = state().running;
  try {
    put(place, await ask(place.dataset.live));
    const { running, mark: now } = state();
    if (!tables && before === "yes" && running === "no") return location.reload();
    if (tables && now !== mark && (running === "no" || Date.now() - renewed > AGAIN)) {
      await renew();
      mark = now;
    }
    const status = find("[data-status]"), said = place.querySelector("[data-say]")?.textContent ?? "";
    if (status && status.textContent !== said) status.textContent = said;
  } catch {
    // The server is away for a moment: asked again later.
  } finally {
    isAsking = false;
    later();
  }
}

function later() {
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(refresh, state().running === "yes" ? FAST : SLOW);
}

// The tables anew; what was folded or unfolded stays so.
async function renew() {
  const html = await ask(isMany() ? `/tables/live?search=${encodeURIComponent(searched)}` : "/tables/live");
  const folds = new Map([...tables.querySelectorAll("details")].map((fold) => [fold.id, fold.open]));
  put(tables, html);
  renewed = Date.now();
  for (const fold of tables.querySelectorAll("details")) fold.open = folds.get(fold.id) ?? fold.open;
  if (search?.value.trim()) narrow();
}

// Shows the tables that have all words of the search, as the server does.
function narrow() {
  if (isMany()) return;
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let number = 0;
  for (const group of tables.querySelectorAll("[data-group]")) {
    let found = 0;
    for (const table of group.querySelectorAll("[data-words]")) {
      table.hidden = !words.every((word) => table.dataset.words.includes(word));
      found += table.hidden ? 0 : 1;
    }
    group.hidden = found === 0;
    const fold = group.querySelector("details");
    if (fold) fold.open = words.length > 0 || !("folded" in fold.dataset);
    number += found;
  }
  const said = find("[data-found]");
  said.textContent = words.length ? `${number} of ${said.dataset.all} tables found.` : "";
}

search?.addEventListener("input", async () => {
  if (isMany()) return;
  if ("part" in find("[data-found]").dataset) await renew().catch(() => {});
  narrow();
});

if (place) {
  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : refresh()));
  later();
}

// The arrow keys move along the points of a chart; without them the newest point can be reached, and its table has all.
for (const points of document.querySelectorAll("[data-points]")) {
  points.addEventListener("keydown", (event) => {
    const all = [...points.querySelectorAll("a")], at = all.indexOf(document.activeElement);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: all.length - 1 }[event.key];
    if (at < 0 || to === undefined || !all[to]) return;
    event.preventDefault();
    all[at].tabIndex = -1;
    all[to].tabIndex = 0;
    all[to].focus();
  });
}
