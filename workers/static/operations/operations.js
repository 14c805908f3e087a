"use strict";

// Puts fresh readings in the page's place every few seconds. When they can't be had the page says since when;
// it waits while nobody looks at it, and while somebody has selected text in it.

const shown = document.getElementById("operations");
const stale = document.getElementById("operations-stale");
const everyMs = Number(shown.dataset.every) * 1000;
const patienceMs = 15000;
let failedAt = null;
let waiting = null;

function selecting() {
    const selection = document.getSelection();
    return selection !== null && !selection.isCollapsed && shown.contains(selection.anchorNode);
}

function fail(words) {
    failedAt = failedAt ?? new Date();
    const since = failedAt.toISOString().slice(11, 19);
    stale.textContent = `${words} since ${since} UTC: what you see below is old.`;
    stale.hidden = false;
    shown.classList.add("ops-old");
}

async function read() {
    const answer = await fetch(shown.dataset.url, { cache: "no-store", signal: AbortSignal.timeout(patienceMs) });
    if (answer.redirected || answer.status === 503) {
        // Logged out, or PostgreSQL is away: the page itself has something to say about it.
        window.location.reload();
        return;
    }
    if (!answer.ok) {
        fail(`The site answers with an error (${answer.status})`);
        return;
    }
    const body = await answer.text();
    if (!selecting()) {
        shown.innerHTML = body;
    }
    failedAt = null;
    stale.hidden = true;
    shown.classList.remove("ops-old");
}

async function again() {
    clearTimeout(waiting);
    if (!document.hidden && !selecting()) {
        try {
            await read();
        } catch {
            fail("The site does not answer");
        }
    }
    waiting = setTimeout(again, everyMs);
}

document.addEventListener("visibilitychange", () => {
    if (!document.hidden) {
        again();
    }
});
waiting = setTimeout(again, everyMs);
