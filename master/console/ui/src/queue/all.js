/* All mail that a filter fits, with the orders that the API has for one message (MQ06). Pure.
 *
 *   orderAll({ read, act, fits, max, signal, onProgress, wait })   resolves to a tally, never rejects
 *
 * The list is read to its end, page by page, before the first order is given: what an order moves out of
 * the list then makes no page skip anything. Of each message only id, group and state are kept, so that
 * a million of them fit into a tab. Orders are given in batches, a few at a time within each.
 *
 * read(after)  a page of the list: { messages, next }; `after` null: the first
 * act(entry)   the order; what it throws is a Problem
 * fits(entry)  false: in no state for the order, which is not even tried
 * max          never more than these, however much mail comes meanwhile: the list begins with the oldest
 * signal       when it is aborted nothing more is begun; orders that are under way are waited for
 * onProgress   { isCollecting, done, all }
 *
 * The tally: how many there were (`all`), and what became of them: `done`, `refused` (in no state for
 * it), `gone`, `unknown` (the answer did not come), `untried`; `problem`: what stopped it, or null. */
import { inParallel } from './parallel.js';

const BATCH = 200;
const BUSY_TRIES = 4;
const BUSY_MS = 500;

/* It may have been done all the same. */
const UNANSWERED = ['offline', 'cut', 'silence', 'answer', 'stopping'];

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/* Busy is the gateway, or another order about the same message: both pass. */
async function patiently(ask, { signal, wait }) {
    for (let tries = 1; ; tries++) {
        try {
            return await ask();
        } catch (problem) {
            if (problem.code !== 'busy' || tries === BUSY_TRIES || signal.aborted) throw problem;
        }
        await wait(BUSY_MS * tries);
    }
}

async function collect({ read, max, signal, wait, onProgress }) {
    const found = [];
    let after = null;

    do {
        onProgress({ isCollecting: true, done: found.length, all: max });
        const page = await patiently(() => read(after), { signal, wait });

        for (const { id, group, state } of page.messages.slice(0, max - found.length)) found.push({ id, group, state });
        after = page.next;
    } while (after !== null && found.length < max && !signal.aborted);
    return found;
}

/* What a message counts as whose order was not answered with "done". */
function kindOf(problem) {
    if (problem === null) return 'untried';
    if (problem.status === 404) return 'gone';
    if (problem.status === 409 || problem.code === 'busy') return 'refused';
    return UNANSWERED.includes(problem.code) ? 'unknown' : 'untried';
}

/* One message's own matter, or one after which the others have no hope either. */
const isHopeless = (problem) => !['gone', 'refused'].includes(kindOf(problem));

export async function orderAll({ read, act, fits, max, signal, onProgress = () => {}, wait = sleep }) {
    const tally = { all: 0, done: 0, refused: 0, gone: 0, unknown: 0, untried: 0, problem: null };
    let found = [];

    try {
        found = await collect({ read, max, signal, wait, onProgress });
    } catch (problem) {
        if (!signal.aborted) tally.problem = problem;
    }
    if (signal.aborted) found = [];
    tally.all = found.length;

    for (let at = 0; at < found.length; at += BATCH) {
        const batch = found.slice(at, at + BATCH);

        if (signal.aborted || tally.problem !== null) {
            tally.untried += batch.length;
            continue;
        }
        const able = batch.filter(fits);
        const others = batch.length - able.length;
        const { done, failed } = await inParallel(able, (entry) => patiently(() => act(entry), { signal, wait }), {
            isHopeless,
            onProgress(count, stop) {
                if (signal.aborted) stop();
                onProgress({ isCollecting: false, done: at + others + count, all: found.length });
            },
        });

        tally.done += done.length;
        tally.refused += others;
        for (const { problem } of failed) {
            tally[kindOf(problem)]++;
            if (problem !== null && isHopeless(problem)) tally.problem ??= problem;
        }
    }
    return tally;
}
