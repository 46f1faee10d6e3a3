"use strict";

// Shows what a form was answered without leaving the view.
(() => {
  // The dots come once, and then a letter for the state of each.
  const paint = () => {
    const states = document.querySelector("#fleet-states data");
    if (states?.dataset.of !== document.getElementById("fleet")?.dataset.digest) return;
    const words = {};
    for (const item of document.querySelectorAll("#fleet-legend [data-state]")) {
      words[item.dataset.state] = item.querySelector(".word").textContent;
    }
    document.querySelectorAll("#fleet a[title]").forEach((dot, index) => {
      const state = states.value[index];
      if (dot.className === state) return;
      dot.className = state;
      dot.title = `${dot.title.split(" — ")[0]} — ${words[state]}`;
    });
  };
  document.addEventListener("put", (event) => {
    if (event.target.id === "fleet-states") paint();
  });

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
