/* The states of what is in the queue: their words, and what may be done in them (MQ06). */
const states = {
    ready: ['busy', 'Ready'],
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

export const stateOptions = [['', 'Any state'], ...['ready', 'delivering', 'deferred', 'held', 'failed', 'quarantined'].map((s) => [s, states[s][1]])];

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

export const keyOf = (entry) => `${entry.id}.${entry.group}`;
