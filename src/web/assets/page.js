// Updates the page while a run is live, and filters long tables. Everything works without it.
"use strict";
(() => {
  const body = document.body;

  // Filters the rows of a table by words.
  const filter = (input) => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of document.querySelectorAll("[data-rows] tbody tr")) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
  };
  const prepare = () => {
    for (const box of document.querySelectorAll("[data-filter]")) {
      box.hidden = false;
    }
  };
  document.addEventListener("input", (event) => {
    if (event.target.matches("[data-filter] input")) filter(event.target);
  });
  prepare();

  if (!body.dataset.events) return;
  const state = document.getElementById("live");
  const say = (text) => {
    if (state && state.textContent !== text) state.textContent = text;
  };

  // Replaces the content by that of the server, and keeps focus, opened parts, scroll and filter.
  const isBusy = () => {
    const at = document.activeElement;
    return Boolean(at && at.matches("textarea, input") && at.closest("form"));
  };
  let loading = false;
  let again = false;
  let last = null;
  const update = async () => {
    if (isBusy()) return say("The run has changed; the page updates when you leave the form.");
    if (loading) { again = true; return; }
    loading = true;
    try {
      const answer = await fetch(location.href, { credentials: "same-origin", redirect: "error" });
      if (!answer.ok) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const [fresh, old] = [page.getElementById("main"), document.getElementById("main")];
      if (!isBusy() && fresh && old && fresh.innerHTML !== last) {
        const open = new Set([...old.querySelectorAll("details[open][id]")].map((one) => one.id));
        const focus = document.activeElement && document.activeElement.id;
        const words = old.querySelector("[data-filter] input")?.value || "";
        const source = fresh.innerHTML;
        old.replaceChildren(...fresh.childNodes);
        last = source;
        for (const one of old.querySelectorAll("details[id]")) if (open.has(one.id)) one.open = true;
        prepare();
        const input = old.querySelector("[data-filter] input");
        if (input && words) { input.value = words; filter(input); }
        if (focus) document.getElementById(focus)?.focus({ preventScroll: true });
        document.title = page.title;
      }
      say("up to date");
    } catch {
      say("The page could not be updated.");
    }
    loading = false;
    if (again) { again = false; update(); }
  };

  // Times go on while nothing else happens.
  if (body.dataset.live) setInterval(update, 10000);

  const events = new EventSource(body.dataset.events);
  let seen = body.dataset.version;
  events.addEventListener("version", (event) => {
    if (event.data !== seen) { seen = event.data; update(); } else say("up to date");
  });
  events.addEventListener("error", () => say("not connected; dispatch web may have ended"));
  addEventListener("pagehide", () => events.close());
})();
