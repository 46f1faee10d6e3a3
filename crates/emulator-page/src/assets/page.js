"use strict";

// Keeps the parts of a view up to date, and shows what a form was answered without leaving the view.
(() => {
  const address = document.body.dataset.live;
  const pulse = document.getElementById("pulse");
  let source = null;

  const show = (state, text) => {
    if (pulse) {
      pulse.dataset.state = state;
      pulse.textContent = text;
    }
  };

  // What came for a part in which a button was just held down: without the button, its click would be lost.
  const held = new Map();

  const put = (news) => {
    const { id, html, digest } = news;
    const part = document.getElementById(id);
    held.delete(id);
    if (!part || part.dataset.digest === digest) return;
    if (part.querySelector("button:active")) {
      held.set(id, news);
      return;
    }
    const focused = part.contains(document.activeElement) ? document.activeElement : null;
    const [name, value] = focused?.id ? ["id", focused.id] : ["href", focused?.getAttribute("href")];
    part.innerHTML = html;
    part.dataset.digest = digest;
    if (value) part.querySelector(`[${name}="${CSS.escape(value)}"]`)?.focus({ preventScroll: true });
  };

  for (const released of ["pointerup", "pointercancel", "keyup"]) {
    document.addEventListener(released, () => setTimeout(() => [...held.values()].forEach(put)));
  }

  const open = () => {
    if (!address || source || document.hidden) return;
    source = new EventSource(address);
    source.onopen = () => show("on", "live");
    source.onmessage = (event) => JSON.parse(event.data).forEach(put);
    source.onerror = () => {
      const over = source?.readyState === EventSource.CLOSED;
      show("off", over ? "not live: reload to sign in" : "not connected");
      if (over) source = null;
    };
  };

  const close = () => {
    source?.close();
    source = null;
  };

  // A hidden view costs nothing.
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", open);

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    const place = document.getElementById(form.dataset.answer ?? "");
    if (!place) return;
    event.preventDefault();
    place.dataset.state = "waiting";
    place.textContent = "Waiting for an answer …";
    try {
      const answer = await fetch(form.action, {
        method: "POST",
        headers: { "X-Requested-With": "page" },
        body: new URLSearchParams(new FormData(form, event.submitter)),
      });
      if (answer.status === 401) {
        location.reload();
        return;
      }
      place.innerHTML = await answer.text();
      if (answer.ok && "reset" in form.dataset) form.reset();
    } catch {
      place.textContent = "The emulator can’t be reached.";
    } finally {
      delete place.dataset.state;
    }
  });

  open();
})();
