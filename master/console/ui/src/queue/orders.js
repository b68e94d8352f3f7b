/* Orders about queued messages (MQ06), one or many at a time.
 *
 *   orderOf(verb, entries)  { text, icon, doing, done(n), question(n, entries), undo, hasDialog, isDanger }
 *   requestOf(verb, entry)   [method, path]
 *   run(verb, entries)      asks, does it, tells how it went and what could not be done; resolves to
 *                           the keys of those that were done
 */
import { request } from '../app/api.js';
import { count, number } from '../app/format.js';
import { createStore } from '../app/store.js';
import { ask } from '../parts/Dialog.jsx';
import { PauseIcon, PlayIcon, RetryIcon, RouteIcon, SearchIcon, SendIcon, TrashIcon } from '../parts/icons.jsx';
import { toast } from '../parts/Toast.jsx';
import { inParallel } from './parallel.js';
import { keyOf } from './states.js';

const messages = (n) => count(n, 'message');

const verbs = {
    retry: { text: 'Retry now', icon: RetryIcon, doing: 'Retrying', done: (n) => `${messages(n)} will be tried at once.` },
    hold: { text: 'Hold', icon: PauseIcon, doing: 'Holding', done: (n) => `${messages(n)} held.`, undo: 'release' },
    release: { text: 'Release', icon: PlayIcon, doing: 'Releasing', done: (n) => `${messages(n)} released.`, undo: 'hold' },
    reroute: { text: 'Reroute…', icon: RouteIcon, doing: 'Rerouting', done: (n) => `${messages(n)} rerouted.`, hasDialog: true },
    rescan: { text: 'Scan again', icon: SearchIcon, doing: 'Ordering scans', done: (n) => `${messages(n)} will be scanned again.` },
    forward: { text: 'Forward…', icon: SendIcon, doing: 'Forwarding', done: (n) => `${messages(n)} forwarded; ${n === 1 ? 'it stays' : 'they stay'} in the quarantine.`, hasDialog: true },
    delete: {
        text: 'Delete…',
        icon: TrashIcon,
        isDanger: true,
        doing: 'Deleting',
        done: (n) => `${messages(n)} deleted.`,
        question: (n) => ({ title: `Delete ${n === 1 ? 'this message' : messages(n)}?`, text: 'Gone for good: nobody gets it, and nobody is told.', yes: 'Delete' }),
    },
};

const releaseBlocked = {
    ...verbs.release,
    text: 'Release…',
    undo: null,
    isDanger: true,
    question(n, entries) {
        const blocked = entries.filter((e) => e.state === 'quarantined').length;
        const what = n === 1 ? 'this message' : messages(n);
        const said = blocked === n ? `A scan has blocked ${n === 1 ? 'it' : 'them'}.` : `A scan has blocked ${number(blocked)} of them.`;

        return { title: `Deliver ${what} all the same?`, text: `${said} The recipients get what came, with whatever is in it. That cannot be taken back.`, yes: 'Release' };
    },
};

/* What `verb` means for these. */
export function orderOf(verb, entries) {
    return verb === 'release' && entries.some((e) => e.state === 'quarantined') ? releaseBlocked : verbs[verb];
}

export function requestOf(verb, entry) {
    const place = entry.state === 'quarantined' && ['release', 'rescan', 'forward', 'delete'].includes(verb) ? 'quarantine' : 'queue';
    const group = verb === 'forward' ? '' : `?group=${entry.group}`;

    return verb === 'delete' ? ['DELETE', `/${place}/${entry.id}${group}`] : ['POST', `/${place}/${entry.id}/${verb}${group}`];
}

const PATIENCE_MS = 400;

/* { doing, done, all, stop() }; null while none is run. */
export const progress = createStore(null);

/* What could not be done: { order, list: [{ item, problem }], done }. */
export const failures = createStore(null);

/* Why the rest is not even tried. */
const isHopeless = (problem) => problem.code === 'offline' || problem.status === 401 || problem.status === 403;

/* `body`: of a reroute or a forward. `onDone`: the list is to be read again. */
export async function run(verb, entries, { body, isUndo = false, onDone } = {}) {
    const order = orderOf(verb, entries);

    if (order.question && !(await ask({ ...order.question(entries.length, entries), isDanger: true }))) return [];
    // One is mostly done before one could read how far it is.
    const shownFrom = Date.now() + (entries.length > 1 ? 0 : PATIENCE_MS);
    let stop = () => {};
    let doneCount = 0;
    const show = () => Date.now() >= shownFrom && progress.set({ doing: order.doing, done: doneCount, all: entries.length, stop });
    const timer = setTimeout(show, PATIENCE_MS);
    const { done, failed } = await inParallel(
        entries,
        (entry) => {
            const [method, path] = requestOf(verb, entry);

            return request(method, path, body ? { body } : {});
        },
        {
            isHopeless,
            onProgress(n, onStop) {
                [doneCount, stop] = [n, onStop];
                show();
            },
        },
    );

    clearTimeout(timer);
    progress.set(null);
    onDone?.();
    if (done.length > 0) {
        const undo = order.undo && !isUndo ? () => run(order.undo, done.map((e) => ({ ...e, state: order.undo === 'release' ? 'held' : 'ready' })), { isUndo: true, onDone }) : undefined;

        toast(order.done(done.length), { undo });
    }
    if (failed.length === 1 && entries.length === 1) toast(failed[0].problem, { tone: 'bad' });
    else if (failed.length > 0) failures.set({ order, list: failed, done: done.length });
    return done.map(keyOf);
}
