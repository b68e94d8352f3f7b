/* What is said of an order about all mail that a filter fits: before, meanwhile, and at the end. Pure. */
import { count, number, sentence } from '../app/format.js';

const imperatives = { retry: 'Retry', hold: 'Hold', release: 'Release', reroute: 'Reroute', rescan: 'Rescan', delete: 'Delete' };

const places = { '/queue': ' in the queue', '/quarantine': ' in the quarantine', '/failed': '' };

const conditions = {
    ready: 'are ready',
    delivering: 'are being delivered',
    deferred: 'are deferred',
    held: 'are held',
    failed: 'have failed',
    quarantined: 'are quarantined',
};

function stateText(base, state) {
    if (base === '/queue') return state ? conditions[state] : 'are to be delivered';
    return base === '/failed' ? conditions.failed : undefined;
}

function listed(parts) {
    return parts.length > 1 ? `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}` : parts.join('');
}

/* { title, text }: verb, number and filter of what is about to be ordered. */
export function askedOf(verb, total, { base, state, profile, rule }) {
    const which = [stateText(base, state), profile && `use the profile “${profile}”`, rule && `fall under the rule “${rule}”`].filter(Boolean);
    const that = which.length > 0 ? ` that ${listed(which)}` : '';

    return {
        title: `${imperatives[verb]} ${count(total, 'message')}?`,
        text: `${imperatives[verb]} all ${count(total, 'message')}${places[base]}${that}.`,
    };
}

/* How far it is, for the eye. */
export function progressText({ doing, isCollecting, isStopping, done, all }) {
    const what = isStopping ? 'Stopping' : isCollecting ? 'Collecting' : doing;

    return `${what}: ${number(done)} of ${number(all)}`;
}

/* For who hears it: not every message, but every tenth part. */
export function spokenProgress({ doing, isCollecting, isStopping, done, all }) {
    if (isStopping) return 'Stopping.';
    if (isCollecting) return `Collecting up to ${count(all, 'message')}.`;
    const tenths = all > 0 ? Math.floor((10 * done) / all) : 0;

    return `${doing} ${count(all, 'message')}: ${tenths * 10} % done.`;
}

function reasonOf({ problem, isStopped }) {
    if (problem === null) return isStopped ? 'Stopped.' : '';
    if (problem.status === 401) return 'Stopped, because your session has ended.';
    if (problem.code === 'offline') return 'Stopped, because the gateway does not answer.';
    return `Stopped: ${sentence(problem)}`;
}

const were = (n) => `${number(n)} ${n === 1 ? 'was' : 'were'}`;

function othersOf({ refused, gone, unknown, untried }) {
    const parts = [
        refused > 0 && `${were(refused)} not in a state for it`,
        gone > 0 && `${were(gone)} gone`,
        untried > 0 && `${were(untried)} not tried`,
        unknown > 0 && `of ${number(unknown)} it is not known`,
    ].filter(Boolean);

    return parts.length > 0 ? sentence({ detail: listed(parts) }) : '';
}

/* `doneText(n)`: what the order says of those that were done. */
export function endText(tally, doneText) {
    if (tally.all === 0) return [reasonOf(tally), tally.problem !== null || tally.isStopped ? 'Nothing was done.' : 'Nothing matched any more.'].filter(Boolean).join(' ');
    return [reasonOf(tally), doneText(tally.done), othersOf(tally)].filter(Boolean).join(' ');
}
