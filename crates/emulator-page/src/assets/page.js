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

  // A button to copy is there for those who can use it.
  document.documentElement.classList.add("scripted");
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-copy]");
    const from = button && document.getElementById(button.dataset.copy);
    if (!from) return;
    try {
      await navigator.clipboard.writeText(from.textContent);
      button.textContent = "Copied";
    } catch {
      // Without the right to the clipboard, the text is at least marked.
      getSelection().selectAllChildren(from);
    }
  });
})();
