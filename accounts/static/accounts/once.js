// A form that counts once is sent once, however often its button is pressed, until somebody comes back to it.
(() => {
    const KEYS = "input[name=once], input[name=key]";

    document.addEventListener("submit", (event) => {
        const form = event.target;
        if (!form.querySelector(KEYS)) return;
        if (form.dataset.sent) event.preventDefault();
        form.dataset.sent = "yes";
    });
    addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent));
})();
