"use strict";

// Shows what a form was answered without leaving the view.
(() => {
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
})();
