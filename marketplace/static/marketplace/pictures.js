// Removes pictures that cannot be loaded; errors of pictures do not bubble.
document.addEventListener(
    "error",
    ({ target }) => {
        if (target.matches?.(".mp-image img")) target.remove();
    },
    true,
);
