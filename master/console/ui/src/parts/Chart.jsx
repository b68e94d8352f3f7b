/* Lines over time, drawn by uPlot.
 *
 *   <Chart label="Mail per minute" time={seconds} lines={[{ name: 'in', text: 'In', values }]} />
 *
 * time: ascending, in seconds since 1970; values: as many, null where nothing is known. Each line has a
 * colour (class "line-NAME" in chart.css) and a stroke of its own (`dash`), and the legend shows both with
 * its value: where one points at, or else the last. `children` stand below it. New data is drawn into the
 * same canvas. What a chart says is also said in words: `summary`; `none`
 * stands in one that is empty. */
import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';

import { clockTime, number } from '../app/format.js';
import { theme } from '../app/theme.js';

const Y_FIRST = 5; // the least that the upper end of the scale is
const TICK_PX = 70;
const SPAN_S = 3600;
const DOTS_BELOW = 3; // so few make no line to be seen

/* 1, 2, 5, 10, 20, ...: the scale changes seldom. */
function ceiling(value) {
    let step = 1;

    while (step * 10 <= value) step *= 10;
    return [1, 2, 5, 10].map((n) => n * step).find((n) => n >= value);
}

function clock(seconds) {
    return clockTime(seconds * 1000);
}

function figure(value) {
    return value >= 1e6 ? `${value / 1e6} M` : number(value);
}

function colourOf(element, name) {
    return getComputedStyle(element).getPropertyValue(name);
}

/* The colours are the theme's: they are asked for at each drawing. */
function optionsOf(frame, lines, onPoint) {
    const axis = { stroke: () => colourOf(frame.querySelector('.chart-axis'), 'color'), grid: { stroke: () => colourOf(frame.querySelector('.chart-grid'), 'color'), width: 1 }, ticks: { show: false }, font: `12px ${colourOf(frame, 'font-family')}` };

    return {
        width: frame.clientWidth,
        height: frame.clientHeight,
        padding: [8, 20, 0, 0],
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
        // An hour, however much of it is known.
        scales: { x: { time: true, range: (_, __, last) => [(last ?? Date.now() / 1000) - SPAN_S, last ?? Date.now() / 1000] }, y: { range: (_, __, most) => [0, ceiling(Math.max(most ?? 0, Y_FIRST))] } },
        axes: [
            { ...axis, space: TICK_PX, size: 28, incrs: [600, 900, 1800], values: (_, splits) => splits.map(clock) },
            { ...axis, space: 34, size: 48, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6], values: (_, splits) => splits.map(figure) },
        ],
        series: [
            {},
            ...lines.map((line) => ({
                stroke: () => colourOf(frame.parentElement.querySelector(`.line-${line.name}`), 'color'),
                width: line.width ?? 2,
                dash: line.dash,
                points: { show: (chart) => chart.data[0].length < DOTS_BELOW, size: 6 },
            })),
        ],
        hooks: { setCursor: [(chart) => onPoint(chart.cursor.idx ?? null)] },
    };
}

function Sample({ line }) {
    return (
        <svg class={`chart-sample line-${line.name}`} width="26" height="10" aria-hidden="true">
            <line x1="1" y1="5" x2="25" y2="5" stroke="currentColor" stroke-width={line.width ?? 2} stroke-dasharray={line.dash?.join(' ')} />
        </svg>
    );
}

function Legend({ lines, at, when }) {
    return (
        <div class="chart-legend" aria-hidden="true">
            <span class="chart-when num">{when}</span>
            {lines.map((line) => (
                <span key={line.name} class="chart-entry">
                    <Sample line={line} />
                    {line.text}
                    <strong class="num">{number(line.values[at])}</strong>
                </span>
            ))}
        </div>
    );
}

export function Chart({ label, summary, none, time, lines, class: extra = '' }) {
    const frame = useRef(null);
    const chart = useRef(null);
    const [pointed, setPointed] = useState(null);
    const at = pointed ?? time.length - 1;

    useEffect(() => {
        const made = new uPlot(optionsOf(frame.current, lines, setPointed), [[]], frame.current);
        const sizes = new ResizeObserver(() => made.setSize({ width: frame.current.clientWidth, height: frame.current.clientHeight }));
        const dark = window.matchMedia('(prefers-color-scheme: dark)');
        const draw = () => made.redraw(false, true);
        const forget = theme.subscribe(draw);

        chart.current = made;
        sizes.observe(frame.current);
        dark.addEventListener('change', draw);
        return () => {
            dark.removeEventListener('change', draw);
            forget();
            sizes.disconnect();
            made.destroy();
        };
    }, []);

    useEffect(() => chart.current.setData([time, ...lines.map((line) => line.values)]), [time, ...lines.map((line) => line.values)]);

    return (
        <figure class={`chart ${extra}`}>
            <Legend lines={lines} at={at} when={time.length > 0 ? clock(time[at]) : ''} />
            <div ref={frame} class="chart-frame" role="img" aria-label={`${label}. ${summary}`}>
                <span class="chart-axis" />
                <span class="chart-grid" />
                {none && <p class="chart-none">{none}</p>}
            </div>
        </figure>
    );
}
