// A form that counts once is sent once: its buttons rest until the answer is there, or until somebody comes back to it.
(() => {
    const buttons = (form) => [...form.elements, ...document.querySelectorAll(`[form="${form.id}"]`)].filter((each) => each.type === "submit");
    const rest = (form, resting) => buttons(form).forEach((each) => { each.disabled = resting; });

    document.addEventListener("submit", (event) => {
        if (event.target.matches("form:has(input[name=once], input[name=key])")) setTimeout(rest, 0, event.target, true);
    });
    addEventListener("pageshow", () => document.querySelectorAll("form").forEach((form) => rest(form, false)));
})();
