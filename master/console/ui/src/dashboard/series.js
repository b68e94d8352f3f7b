/* GET /stats as the dashboard shows it: whole minutes only, as the last one has not ended. */
import { count, clockTime, number } from '../app/format.js';

/* Each line has a stroke of its own, so that colour is not needed. */
export const mailLines = [
    { name: 'in', text: 'In', width: 2.5 },
    { name: 'out', text: 'Out', dash: [8, 5] },
    { name: 'deferred', text: 'Deferred', dash: [2, 3], width: 2.5 },
    { name: 'refused', text: 'Refused', dash: [10, 3, 2, 3] },
];

export const queueLines = [{ name: 'queue_length', text: 'Messages' }];

/* What each series means; the columns of the table. */
export const seriesHelp = [
    ['in', 'In', 'Messages that clients handed over: stored, and answered 250.'],
    ['out', 'Out', 'Messages that the next server has taken for each recipient. One that goes two ways counts twice.'],
    ['deferred', 'Deferred', 'Attempts that failed for now. The message is tried again.'],
    ['failed', 'Failed', 'Messages that are given up: refused, or too old.'],
    ['quarantined', 'Quarantined', 'Messages that a scan blocked.'],
    ['refused', 'Refused', 'Senders, recipients, messages or connections that were answered 5xx at the door.'],
    ['put_off', 'Put off', 'The same, answered 4xx: they may come again.'],
];

/* The columns of the servers' table. */
export const serverHelp = [
    ['in_flight', 'Under way', 'Deliveries that have begun at the server and not ended.'],
    ['connections', 'Connections', 'Open ones, of those that may be; idle ones wait in the pool for the next message.'],
    ['reused', 'Reused', 'Share of deliveries since the start that needed no new connection. Off: the profile keeps none open.'],
];

export const titleOf = Object.fromEntries(serverHelp.map(([name, title]) => [name, title]));

export function wholeMinutes(stats) {
    const time = stats.time.slice(0, -1);
    const series = Object.fromEntries(Object.entries(stats.series).map(([name, values]) => [name, values.slice(0, -1)]));

    return { time, series };
}

export function sum(values) {
    return values.reduce((all, value) => all + value, 0);
}

export const ASKED = 61; // minutes: those of the last hour, and the one that has not ended

/* "12 last hour"; a gateway that has not run that long knows less. */
export function inAll(values) {
    return `${number(sum(values))} ${values.length < ASKED ? 'since start' : 'last hour'}`;
}

/* For those who do not see the chart. */
export function mailSummary({ time, series }) {
    if (time.length === 0) return 'No minute has passed yet.';
    const parts = mailLines.map(({ name, text }) => `${text.toLowerCase()} ${number(sum(series[name]))}`);
    const most = Math.max(...series.in);
    const busiest = most > 0 ? ` Busiest minute: ${clockTime(time[series.in.indexOf(most)] * 1000)}, with ${count(most, 'message')} in.` : '';

    return `In the last ${count(time.length, 'minute')}: ${parts.join(', ')}.${busiest}`;
}

export function queueSummary({ series }) {
    const lengths = series.queue_length;

    return lengths.length === 0 ? 'No minute has passed yet.' : `Between ${number(Math.min(...lengths))} and ${number(Math.max(...lengths))} messages.`;
}
