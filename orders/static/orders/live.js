// Keeps what shows the book fresh while somebody looks at it (what can't be fetched stays, marked as old),
// and shows the price of the instrument that is chosen in the form beside it.
(() => {
    const EVERY_MS = 3000;
    const symbol = document.querySelector("select[name=symbol]");

    const inUse = (part) => part.contains(document.activeElement) || part.querySelector("a:hover, button:hover");

    async function refresh(part) {
        if (document.hidden || inUse(part)) return;
        try {
            const answer = await fetch(part.dataset.live, {redirect: "error"});
            if (!answer.ok) throw new Error(String(answer.status));
            const fresh = await answer.text();
            if (!inUse(part)) part.innerHTML = fresh;
            part.classList.remove("is-old");
            showChosen();
        } catch {
            part.classList.add("is-old");
        }
    }

    function showChosen() {
        for (const row of document.querySelectorAll("tr[data-symbol]")) {
            const chosen = row.dataset.symbol === symbol?.value;
            row.classList.toggle("is-chosen", chosen);
            if (chosen) row.parentElement.prepend(row);
        }
    }

    symbol?.addEventListener("change", showChosen);
    showChosen();
    for (const part of document.querySelectorAll("[data-live]")) setInterval(refresh, EVERY_MS, part);
})();
