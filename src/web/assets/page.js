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

  // A log opens at its end.
  const logs = () => [...document.querySelectorAll("pre.log")];
  const isAtEnd = (log) => log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
  const toEnd = (log) => { log.scrollTop = log.scrollHeight; };
  logs().forEach(toEnd);

  if (!body.dataset.events) return;
  const state = document.getElementById("live");
  const say = (text) => {
    if (state && state.textContent !== text) state.textContent = text;
  };

  // Changes a text in place, so that a selection in it stays: a log only grows and loses its beginning.
  const changeText = (old, fresh) => {
    const [before, after] = [old.data, fresh.data];
    if (before === after) return;
    const cut = before.indexOf(after.slice(0, 200));
    if (cut >= 0 && after.startsWith(before.slice(cut))) {
      const log = old.parentElement.closest("pre.log");
      const height = log ? log.scrollHeight : 0;
      const kept = before.length - cut;
      old.deleteData(0, cut);
      if (log && cut) log.scrollTop -= height - log.scrollHeight;
      old.appendData(after.slice(kept));
    } else old.data = after;
  };

  // The filter sets the first, the reader the second.
  const OWN = new Set(["hidden", "open"]);
  const changeAttributes = (old, fresh) => {
    for (const { name } of [...old.attributes]) {
      if (!OWN.has(name) && !fresh.hasAttribute(name)) old.removeAttribute(name);
    }
    for (const { name, value } of [...fresh.attributes]) {
      if (!OWN.has(name) && old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
  };

  const isSameKind = (old, fresh) => old.nodeName === fresh.nodeName && (old.id || "") === (fresh.id || "");

  // Makes the children of one element those of another, and leaves alone each that is the same: it keeps its
  // focus, its selection, its scroll position and whether it is open.
  const changeChildren = (old, fresh) => {
    let [before, after] = [[...old.childNodes], [...fresh.childNodes]];
    let start = 0;
    while (start < before.length && start < after.length && before[start].isEqualNode(after[start])) start++;
    let end = 0;
    while (end < before.length - start && end < after.length - start
      && before[before.length - 1 - end].isEqualNode(after[after.length - 1 - end])) end++;
    const first = before[start - 1];
    before = before.slice(start, before.length - end);
    after = after.slice(start, after.length - end);
    const byId = new Map(before.filter((one) => one.id).map((one) => [one.id, one]));
    let others = before.filter((one) => !one.id);
    const reused = new Map();
    // What is the same stays itself, also behind something new of its kind.
    if (others.length * after.length < 10000) {
      for (const one of after) {
        const same = one.id ? null : others.find((other) => other.isEqualNode(one));
        if (!same) continue;
        reused.set(one, same);
        others = others.filter((other) => other !== same);
      }
    }
    for (const one of after) {
      if (reused.has(one)) continue;
      if (one.id) {
        const same = byId.get(one.id);
        if (same && isSameKind(same, one)) reused.set(one, same);
        continue;
      }
      const place = others.findIndex((other) => isSameKind(other, one));
      if (place < 0) continue;
      reused.set(one, others[place]);
      others = others.slice(place + 1);
    }
    const kept = new Set(reused.values());
    for (const one of before) if (!kept.has(one)) one.remove();
    let at = start ? first.nextSibling : old.firstChild;
    for (const one of after) {
      const same = reused.get(one);
      if (same === at && same) at = at.nextSibling;
      else old.insertBefore(same || one, at);
      if (same) change(same, one);
    }
  };
  const change = (old, fresh) => {
    if (old.isEqualNode(fresh)) return;
    if (old.nodeType === Node.TEXT_NODE) return changeText(old, fresh);
    if (old.nodeType !== Node.ELEMENT_NODE) return;
    changeAttributes(old, fresh);
    changeChildren(old, fresh);
  };

  // Takes over what the server has now. A log that was at its end stays at its end.
  const take = (old, fresh) => {
    const before = new Set(logs());
    const atEnd = new Set(logs().filter(isAtEnd));
    change(old, fresh);
    logs().filter((log) => atEnd.has(log) || !before.has(log)).forEach(toEnd);
    prepare();
    const input = document.querySelector("[data-filter] input");
    if (input && input.value) filter(input);
  };
  const parse = (text) => new DOMParser().parseFromString(text, "text/html");
  const isBusy = () => {
    const at = document.activeElement;
    return Boolean(at && at.matches("textarea, input") && at.closest("form"));
  };
  let loading = false;
  let again = false;
  const update = async () => {
    if (isBusy()) return say("The run has changed; the page updates when you leave the form.");
    if (loading) { again = true; return; }
    loading = true;
    try {
      const answer = await fetch(location.href, { credentials: "same-origin", redirect: "error" });
      if (!answer.ok) throw new Error(String(answer.status));
      const page = parse(await answer.text());
      const [fresh, old] = [page.getElementById("main"), document.getElementById("main")];
      if (!isBusy() && fresh && old) {
        take(old, fresh);
        document.title = page.title;
      }
      say("up to date");
    } catch {
      say("The page could not be updated.");
    }
    loading = false;
    if (again) { again = false; update(); }
  };

  // The log of a running attempt grows without an event. An answer without content says that it has not.
  let reading = false;
  const readLog = async () => {
    const part = document.querySelector("[data-log]");
    if (!part || reading || loading || document.hidden) return;
    reading = true;
    try {
      const address = `${part.dataset.log}?seen=${encodeURIComponent(part.dataset.seen)}`;
      const answer = await fetch(address, { credentials: "same-origin", redirect: "error" });
      if (!answer.ok) throw new Error(String(answer.status));
      if (answer.status !== 204) {
        const fresh = parse(await answer.text()).getElementById("log-part");
        const old = document.getElementById("log-part");
        if (fresh && old) take(old, fresh);
      }
    } catch {
      say("The log could not be updated.");
    }
    reading = false;
  };
  if (document.querySelector("#log-part")) setInterval(readLog, 2000);

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
