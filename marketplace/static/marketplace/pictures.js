// Removes pictures that cannot be loaded. Their errors do not bubble, so the listener captures.
document.addEventListener(
    "error",
    ({ target }) => {
        if (target.matches?.(".mp-image img")) target.remove();
    },
    true,
);
