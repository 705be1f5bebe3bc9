// Removes pictures that cannot be loaded. Their errors do not bubble, so the listener captures.
document.addEventListener(
    "error",
    ({ target }) => {
        if (target.matches?.(".mp-image img")) target.remove();
    },
    true,
);

// Names for screen readers that the templates of unfold and the scripts of Django lack.
document.addEventListener("DOMContentLoaded", () => {
    document.getElementById("main")?.setAttribute("role", "main");
    // The script of Django that makes fields for several choices waits for the same event.
    window.addEventListener("load", () => {
        for (const icon of document.querySelectorAll("span[aria-label]:not([role])")) {
            icon.setAttribute("role", "img");
        }
    });
});
