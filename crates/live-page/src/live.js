"use strict";

// Keeps the parts of a view up to date. The body names where its changes come from (`data-live`), and what is said when
// there are no more (`data-over`). A part that was put is the target of a `put` event. With `data-background` they come to a hidden view, too.
(() => {
  const { live: address, over, background } = document.body.dataset;
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

  // What a person opened or scrolled stays as it was.
  const arrangement = (part) => {
    const open = [...part.querySelectorAll("details")].map((one) => one.open);
    const scrolled = [...part.querySelectorAll(".scroll")].map((one) => [one.scrollLeft, one.scrollTop]);
    return () => {
      part.querySelectorAll("details").forEach((one, index) => {
        one.open = open[index] ?? one.open;
      });
      part.querySelectorAll(".scroll").forEach((one, index) => {
        [one.scrollLeft, one.scrollTop] = scrolled[index] ?? [0, 0];
      });
    };
  };

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
    const arrange = arrangement(part);
    part.innerHTML = html;
    part.dataset.digest = digest;
    arrange();
    part.dispatchEvent(new Event("put", { bubbles: true }));
    if (value) part.querySelector(`[${name}="${CSS.escape(value)}"]`)?.focus({ preventScroll: true });
  };

  for (const released of ["pointerup", "pointercancel", "keyup"]) {
    document.addEventListener(released, () => setTimeout(() => [...held.values()].forEach(put)));
  }

  const close = () => {
    source?.close();
    source = null;
  };

  let ended = false;
  const open = () => {
    if (!address || source || ended || (document.hidden && background === undefined)) return;
    source = new EventSource(address);
    source.onopen = () => show("on", "live");
    source.onmessage = (event) => JSON.parse(event.data).forEach(put);
    source.addEventListener("end", () => {
      ended = true;
      close();
      show("off", over);
    });
    source.onerror = () => {
      const closed = source?.readyState === EventSource.CLOSED;
      show("off", closed ? over : "not connected");
      if (closed) source = null;
    };
  };

  // A hidden view costs nothing.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden && background === undefined) close();
    else open();
  });
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", open);
  open();
})();
