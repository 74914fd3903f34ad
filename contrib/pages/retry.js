// Loads a page about an unavailable service again: after Retry-After, or 5 seconds, and then after
// twice as long each time. The times are random, up to twice as long, so that the people of a
// meeting do not all come back at the same moment. `history.state` survives a reload, and needs no storage, which a frame of
// another site may not have.
const ATTEMPTS = 6;
// In seconds.
const LONGEST = 60;
// In milliseconds.
const FORGOTTEN = 600000;
const again = document.getElementById("again");
const output = document.getElementById("retrying");

again.addEventListener("click", (event) => {
  event.preventDefault();
  // Unlike the link, this keeps the fragment.
  location.reload();
});

function count() {
  const { tries = 0, at = 0 } = history.state?.jitsiVerifier ?? {};
  return Date.now() - at < FORGOTTEN ? tries : 0;
}

function tryAgainLater(tries) {
  const told = parseInt(document.querySelector("main").dataset.retry, 10) || 0;
  const least = Math.max(told, Math.min(LONGEST, 5 * 2 ** tries));
  const seconds = Math.round(least * (1 + Math.random()));
  output.textContent = output.dataset.waiting.replace("{seconds}", seconds);
  setTimeout(() => {
    const jitsiVerifier = { tries: tries + 1, at: Date.now() };
    history.replaceState({ ...history.state, jitsiVerifier }, "");
    location.reload();
  }, 1000 * seconds);
}

// Only a page about an unavailable service shows this output.
if (output.getClientRects().length) {
  const tries = count();
  if (tries < ATTEMPTS) tryAgainLater(tries);
  else output.textContent = output.dataset.gaveUp;
}
