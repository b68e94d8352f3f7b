/* The states of what is in the queue: their words, and what may be done in them (MQ06). */
import { visible } from '../app/format.js';

const states = {
    ready: ['good', 'Ready'],
    delivering: ['busy', 'Delivering'],
    deferred: ['warn', 'Deferred'],
    held: ['off', 'Held'],
    failed: ['bad', 'Failed'],
    quarantined: ['bad', 'Quarantined'],
    checking: ['busy', 'Checking'],
    delivered: ['good', 'Delivered'],
    deleted: ['off', 'Deleted'],
};

const doing = { scan: 'Scanning', upload: 'Uploading' };

/* [tone, word] */
export function stateOf(entry) {
    const [tone, text] = states[entry.state] ?? ['off', entry.state];

    return [tone, (entry.state === 'delivering' && doing[entry.stage]) || text];
}

/* What the queue shows unless one asks for more: what is still to be delivered. */
export const WAITING = 'ready,delivering,deferred,held,checking';

const word = (state) => [state, states[state][1]];

export const stateOptions = [['', 'To be delivered'], ...['ready', 'delivering', 'deferred', 'held'].map(word), ['all', 'All, also failed'], ...['failed', 'quarantined'].map(word)];

/* Of a filter, as the gateway is asked. */
export function statesOf(filter) {
    return filter === 'all' ? undefined : filter || WAITING;
}

/* What took it. A rule may be called as the gateway calls what is none. */
export function ruleOf(entry) {
    if (entry.rule_id === 0) return entry.rule === 'own' ? 'the gateway itself' : 'setting for postmaster';
    return entry.rule ?? 'a deleted rule';
}

/* Why it is not on its way, if anybody said so. The words of a scan come from afar. */
export function reasonOf(entry) {
    if (entry.state === 'quarantined') return visible(entry.message?.scan?.reason ?? 'blocked by a scan');
    return entry.state === 'held' ? entry.held : null;
}

export const isFinished = (entry) => entry.state === 'delivered' || entry.state === 'deleted';

/* As the gateway judges; what is under way is asked back by it where that makes sense. */
const possible = {
    retry: (s) => s === 'ready' || s === 'deferred' || s === 'failed',
    hold: (s) => s === 'ready' || s === 'deferred' || s === 'delivering' || s === 'checking',
    release: (s) => s === 'held' || s === 'quarantined',
    rescan: (s) => s === 'quarantined',
    forward: (s) => s === 'quarantined',
    reroute: () => true,
    delete: () => true,
};

export function canDo(verb, entry) {
    return !isFinished(entry) && possible[verb](entry.state);
}

/* What a list may hold: of the API's `/quarantine`, or of its `/queue` with these states asked for. */
export function statesIn(api, asked) {
    if (api === '/quarantine') return ['quarantined'];
    return asked ? asked.split(',') : Object.keys(states).filter((state) => !isFinished({ state }));
}

/* What may be ordered of all that a list holds. To forward is to show somebody one message. */
export function verbsForAll(verbs, states) {
    return verbs.filter((verb) => verb !== 'forward' && states.some((state) => canDo(verb, { state })));
}

/* What a message id is, as it is written everywhere, or null: 13 characters of Crockford's base32, of
 * which the first has one bit less. */
export function messageIdIn(text) {
    const id = text.trim().toUpperCase();

    return /^[0-9A-FILO][0-9A-TV-Z]{12}$/.test(id) ? id : null;
}

export const keyOf = (entry) => `${entry.id}.${entry.group}`;
