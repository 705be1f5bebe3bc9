// Draws the charts of questions with Chart.js: those of the page, and those of panels that htmx loads.
(() => {
    const POINTS = ["circle", "rect", "triangle", "rectRot", "cross", "star", "crossRot", "dash"];
    const charts = new Map();

    const color = (name) =>
        getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    const number = (value) =>
        value.toLocaleString("en", { maximumFractionDigits: 2 }).replaceAll(",", "\u00a0");
    const short = (value) =>
        value.toLocaleString("en", { notation: "compact", maximumFractionDigits: 2 });
    const day = (content, value) =>
        new Date(value).toLocaleDateString("en-CA", { timeZone: content.zone });

    const dataset = (content, series, index) => ({
        label: series.name,
        data: content.times
            ? series.values.map((y, position) => ({ x: content.times[position], y }))
            : series.values,
        borderColor: color(`--mp-s${index}`),
        backgroundColor: color(`--mp-s${index}`),
        borderWidth: content.kind === "bar" ? 0 : 2,
        maxBarThickness: 48,
        pointStyle: POINTS[index],
        pointRadius: ({ dataIndex }) => (series.changes?.includes(dataIndex) ? 3 : 0),
        pointHoverRadius: 5,
        stepped: content.kind === "step",
        // What is sold out is dashed.
        segment: {
            borderDash: ({ p0DataIndex }) =>
                series.unavailable?.includes(p0DataIndex) ? [3, 4] : undefined,
        },
    });

    // Bars with long names lie, so that the names can be read.
    const isLying = (content) =>
        content.kind === "bar" && content.labels.some((label) => label.length > 12);

    const options = (content) => {
        const text = color("--mp-muted");
        const scale = { grid: { color: color("--mp-border") }, ticks: { color: text } };
        const unit = content.unit ? ` ${content.unit}` : "";
        const x = { ...scale, ticks: { color: text, maxRotation: 45, autoSkip: true } };
        if (content.times) {
            x.type = "linear";
            x.min = content.times[0];
            x.max = content.times.at(-1);
            x.ticks.maxTicksLimit = 7;
            x.ticks.callback = (value) => day(content, value);
        }
        const y = {
            ...scale,
            beginAtZero: content.kind === "bar",
            title: { display: true, text: content.axis, color: text },
            ticks: { color: text, callback: short },
        };
        return {
            animation: false,
            indexAxis: isLying(content) ? "y" : "x",
            maintainAspectRatio: false,
            interaction: { mode: "index", intersect: false },
            scales: isLying(content)
                ? { x: y, y: { ...x, ticks: { color: text, autoSkip: false } } }
                : { x, y },
            plugins: {
                legend: {
                    display: content.kind !== "bar",
                    position: "bottom",
                    align: "start",
                    labels: { usePointStyle: true, boxHeight: 6, boxWidth: 8, color: color("--mp-strong") },
                },
                tooltip: {
                    callbacks: {
                        title: (items) =>
                            content.times ? day(content, items[0].parsed.x) : items[0].label,
                        label: ({ dataset, parsed }) =>
                            ` ${dataset.label}: ${number(isLying(content) ? parsed.x : parsed.y)}${unit}`,
                    },
                },
            },
        };
    };

    const draw = (canvas) => {
        charts.get(canvas)?.destroy();
        const content = JSON.parse(canvas.dataset.chart);
        Chart.defaults.font.family = "Inter";
        charts.set(
            canvas,
            new Chart(canvas, {
                type: content.kind === "bar" ? "bar" : "line",
                data: {
                    labels: content.labels,
                    datasets: content.series.map((series, index) => dataset(content, series, index)),
                },
                options: options(content),
            }),
        );
    };

    const drawAll = (root) => root.querySelectorAll("canvas[data-chart]").forEach(draw);

    document.addEventListener("DOMContentLoaded", () => drawAll(document));
    document.addEventListener("htmx:afterSettle", ({ target }) => drawAll(target));
    // A chart that was drawn before its font was loaded has another one.
    document.fonts.addEventListener("loadingdone", () => [...charts.keys()].forEach(draw));
    new MutationObserver(() => [...charts.keys()].forEach(draw)).observe(document.documentElement, {
        attributeFilter: ["class"],
    });
})();
