/* An order about all mail that a filter fits, while it is carried out: one at a time in a tab. It goes on
 * while one looks at other pages, and ends with the tab. */
import { get, request } from '../app/api.js';
import { withQuery } from '../app/paths.js';
import { createStore } from '../app/store.js';
import { toast } from '../parts/Toast.jsx';
import { orderAll } from './all.js';
import { endText } from './all_texts.js';
import { orderOf, requestOf } from './orders.js';
import { canDo } from './states.js';

const PAGE_MAX = 1000; // as many as the API gives at a time
const SHOWN_EVERY_MS = 100;

/* { doing, isCollecting, isStopping, done, all, stop() }; null while none is carried out. */
export const allProgress = createStore(null);

const warn = (event) => event.preventDefault();

/* `source`, `filter`: of the list, as MailList has them; `max`: how many were agreed to; `order`: whose
 * words are used. Resolves when it is over and has been told. */
export async function runAll({ verb, order, source, filter, max, body }) {
    const controller = new AbortController();
    const { signal } = controller;
    const path = (after) => withQuery(source.api, { ...filter, state: source.state(filter.state), limit: PAGE_MAX, after });
    let now = { isCollecting: true, done: 0, all: max };
    let timer = 0;

    function show() {
        clearTimeout(timer);
        timer = 0;
        allProgress.set({ ...now, doing: order.doing, isStopping: signal.aborted, stop });
    }

    function stop() {
        controller.abort();
        show();
    }

    show();
    window.addEventListener('beforeunload', warn);
    const tally = await orderAll({
        read: (after) => get(path(after), { signal }),
        act(entry) {
            const [method, place] = requestOf(verb, entry);

            return request(method, place, body ? { body } : {});
        },
        fits: (entry) => canDo(verb, entry),
        max,
        signal,
        onProgress(next) {
            now = next;
            timer ||= setTimeout(show, SHOWN_EVERY_MS); // a few times a second, however fast the gateway is
        },
    });

    clearTimeout(timer);
    window.removeEventListener('beforeunload', warn);
    allProgress.set(null);
    toast(endText({ ...tally, isStopped: signal.aborted }, order.done), { tone: tally.problem ? 'bad' : 'good', stays: true });
}

/* What it means for mail in these states, as far as one knows before it is collected. */
export const orderForAll = (verb, states) => orderOf(verb, states.map((state) => ({ state })));
