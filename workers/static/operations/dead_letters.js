"use strict";

// One box chooses all letters.
document.getElementById("every-letter")?.addEventListener("change", (event) => {
    for (const box of document.querySelectorAll("#dead-letters input[name=letter]")) {
        box.checked = event.target.checked;
    }
});
