"use strict";
// What is written waits in this tab until the server has it, under one key: a reload or a lost
// connection neither loses it nor sends it twice. Without this script the page works by its form.
(() => {
  const form = document.getElementById("say"), log = document.getElementById("log");
  if (!form || !log) return;
  const box = document.getElementById("words"), state = document.getElementById("state");
  const pending = document.getElementById("pending"), lost = document.getElementById("lost");
  const room = "decroche:" + location.pathname, memory = recall();
  let sending = false, misses = 0;

  function recall() {
    try {
      const kept = JSON.parse(sessionStorage.getItem(room));
      if (kept && Array.isArray(kept.queue)) return kept;
    } catch { /* nothing was kept */ }
    const bytes = crypto.getRandomValues(new Uint8Array(12));
    return { base: Array.from(bytes, b => b.toString(16).padStart(2, "0")).join(""), n: 0, draft: "", queue: [] };
  }

  function keep() {
    try { sessionStorage.setItem(room, JSON.stringify(memory)); } catch { /* a full or forbidden store */ }
  }

  function show() {
    pending.replaceChildren(...memory.queue.map(m => {
      const li = document.createElement("li"), p = document.createElement("p"), small = document.createElement("small");
      li.className = "citizen";
      p.textContent = m.text;
      small.textContent = pending.dataset.label;
      li.append(p, small);
      return li;
    }));
    lost.hidden = misses === 0;
  }

  // merge takes what is new on a page of the server's.
  function merge(page) {
    const there = new DOMParser().parseFromString(page, "text/html");
    if (!there.getElementById("log")) return false;
    const last = Number(log.lastElementChild?.dataset.seq || 0);
    for (const li of there.querySelectorAll("#log > li")) {
      if (Number(li.dataset.seq) > last) log.append(document.importNode(li, true));
    }
    const now = there.getElementById("state").textContent;
    if (state.textContent !== now) state.textContent = now;
    return true;
  }

  // ask fetches, and gives up after a while: a connection that hangs is a lost one.
  async function ask(init) {
    const giveUp = new AbortController(), timer = setTimeout(() => giveUp.abort(), 15000);
    try {
      const answer = await fetch(form.action, { cache: "no-store", signal: giveUp.signal, ...init });
      return { answer, page: await answer.text() };
    } finally { clearTimeout(timer); }
  }

  async function send() {
    if (sending) return;
    sending = true;
    while (memory.queue.length > 0) {
      const m = memory.queue[0];
      try {
        const { answer, page } = await ask({ method: "POST", body: new URLSearchParams({ k: m.k, words: m.text }) });
        if (answer.status === 429 || answer.status >= 500) throw new Error("later");
        memory.queue.shift();
        misses = 0;
        if (!answer.ok) { // it is refused: the page says why, and the words are in the box
          memory.draft = m.text;
          keep();
          location.reload();
          return;
        }
        keep();
        if (new URL(answer.url).pathname !== location.pathname) { // the conversation was over: here is the next
          location.assign(answer.url);
          return;
        }
        merge(page);
      } catch {
        misses++;
        break;
      } finally { show(); }
    }
    sending = false;
  }

  async function look() {
    if (memory.queue.length > 0) return send();
    try {
      const { answer, page } = await ask({});
      if (answer.ok && merge(page)) misses = 0;
      else if (answer.status >= 500) misses++;
    } catch { misses++; }
    show();
  }

  async function watch() {
    await look();
    setTimeout(watch, document.hidden ? 20000 : Math.min(3000 * (misses + 1), 15000));
  }

  form.addEventListener("submit", event => {
    event.preventDefault();
    const text = box.value.trim();
    if (!text) return box.focus();
    memory.queue.push({ k: memory.base + "-" + ++memory.n, text });
    memory.draft = box.value = "";
    keep();
    show();
    send();
    box.focus();
  });
  box.addEventListener("input", () => { memory.draft = box.value; keep(); });
  window.addEventListener("online", look);
  if (!box.value) box.value = memory.draft;
  show();
  setTimeout(watch, memory.queue.length > 0 ? 0 : 3000);
})();
