// Keeps the parts of the page that show a running job fresh. Without it the page is complete as it was served.
"use strict";

const FAST = 2000, SLOW = 15000;

async function refresh(place) {
  const before = place.querySelector("[data-running]")?.dataset.running;
  let wait = SLOW;
  try {
    const answer = await fetch(place.dataset.live, { headers: { accept: "text/html" } });
    if (answer.ok && !document.hidden) {
      place.innerHTML = await answer.text();
      const now = place.querySelector("[data-running]")?.dataset.running;
      if (now === "yes") wait = FAST;
      if (before === "yes" && now === "no") return location.reload();
      const status = document.querySelector("[data-status]");
      const said = place.querySelector("[data-say]")?.textContent ?? "";
      if (status && status.textContent !== said) status.textContent = said;
    }
  } catch {
    // The server is away for a moment: asked again later.
  }
  setTimeout(refresh, wait, place);
}

for (const place of document.querySelectorAll("[data-live]")) {
  const running = place.querySelector("[data-running=yes]");
  setTimeout(refresh, running ? FAST : SLOW, place);
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
