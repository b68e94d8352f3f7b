/* Figures and times as people read them. Everything that is shown in a column is meant to be set in
 * tabular figures (class "num"). */
import { gatewayNow } from './clock.js';

const whole = new Intl.NumberFormat('en-GB');
const tenth = new Intl.NumberFormat('en-GB', { maximumFractionDigits: 1 });
const fullTime = new Intl.DateTimeFormat('en-GB', {
    dateStyle: 'full',
    timeStyle: 'long',
});
const dayTime = new Intl.DateTimeFormat('en-GB', {
    year: 'numeric',
    month: 'short',
    day: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
});
const shortTime = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });

export function number(value) {
    return value === null || value === undefined ? '–' : whole.format(value);
}

export function count(value, one, many = `${one}s`) {
    return `${number(value)} ${value === 1 ? one : many}`;
}

export function percent(part, all) {
    return all > 0 ? `${tenth.format((100 * part) / all)} %` : '–';
}

export function bytes(value) {
    const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
    let unit = 0;

    if (value === null || value === undefined) return '–';
    while (value >= 1024 && unit < units.length - 1) {
        value /= 1024;
        unit++;
    }
    return `${unit === 0 ? whole.format(value) : tenth.format(value)} ${units[unit]}`;
}

/* "850 ms", "12.4 s" */
export function milliseconds(value) {
    return value < 1000 ? `${whole.format(Math.round(value))} ms` : `${tenth.format(value / 1000)} s`;
}

const steps = [
    [86400, 'd'],
    [3600, 'h'],
    [60, 'min'],
    [1, 's'],
];

/* 5400: "1 h 30 min"; the two largest parts. */
export function duration(seconds) {
    const at = steps.findIndex(([size]) => seconds >= size);

    if (at < 0) return '0 s';
    const [size, unit] = steps[at];
    const first = `${Math.floor(seconds / size)} ${unit}`;
    const next = steps[at + 1];
    const rest = next ? Math.floor((seconds % size) / next[0]) : 0;

    return rest > 0 ? `${first} ${rest} ${next[1]}` : first;
}

/* One part only, for columns: "3 min". */
export function rough(seconds) {
    const [size, unit] = steps.find(([s]) => seconds >= s) ?? [1, 's'];

    return `${Math.floor(Math.max(seconds, 0) / size)} ${unit}`;
}

/* From now, by the gateway's clock: "3 min ago", "in 20 s". */
export function relative(time, now = gatewayNow()) {
    const seconds = (now - new Date(time).getTime()) / 1000;

    if (Math.abs(seconds) < 1) return 'now';
    return seconds > 0 ? `${rough(seconds)} ago` : `in ${rough(-seconds)}`;
}

/* "3 min", since then. */
export function lasting(since, now = gatewayNow()) {
    return rough((now - new Date(since).getTime()) / 1000);
}

export function exactTime(time) {
    return dayTime.format(new Date(time));
}

/* "14:05" */
export function clockTime(time) {
    return shortTime.format(new Date(time));
}

export function longTime(time) {
    return `${fullTime.format(new Date(time))} (${new Date(time).toISOString()})`;
}

/* "Europe/Vienna (GMT+1)": the zone that all times are shown in, which is the browser's. */
export function timeZone(at = new Date()) {
    const name = Intl.DateTimeFormat().resolvedOptions().timeZone;
    const offset = new Intl.DateTimeFormat('en-GB', { timeZoneName: 'shortOffset' }).formatToParts(at).find((part) => part.type === 'timeZoneName').value;

    return name === 'UTC' ? name : `${name} (${offset})`;
}

export function upper(text) {
    return text.charAt(0).toUpperCase() + text.slice(1);
}

/* What is told of a Problem, in one sentence. */
export function sentence(problem) {
    const text = problem.detail || problem.message || 'It could not be done.';

    return upper(text) + (/[.!?…]$/.test(text) ? '' : '.');
}

/* What came from afar, with everything in it that is not plain visible text written out: it must not turn
 * the direction of writing, or look like something else. */
export function visible(text) {
    return String(text ?? '').replace(/[\p{Cc}\p{Cf}\p{Cn}\p{Co}\p{Zl}\p{Zp}]/gu, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);
}
