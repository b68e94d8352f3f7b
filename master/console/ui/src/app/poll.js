/* Data that is read again and again, or once.
 *
 *   usePoll(path)  { data, error, isStale, at, refresh }   every two seconds
 *   useLoad(path)  { data, version, error, reload, set }   once, for what is edited
 *
 * The last data stays on the screen while the next loads, and when it does not come: then isStale
 * says so. Nothing is asked while the tab is hidden or nobody is logged in. Reads that the page makes
 * by itself say so (X-Postern-Poll) and keep no session alive. `path` null: nothing yet. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';

import { Problem, request } from './api.js';
import { session } from './session.js';

const EVERY_MS = 2000;
const STALE_MS = 6000;
const ANSWER_MS = 10000;
const KEPT_MAX = 40;

/* What was last seen at a path: a page that is opened again shows it at once, then what is new. */
const kept = new Map();

function keep(path, view) {
    kept.delete(path);
    kept.set(path, view);
    if (kept.size > KEPT_MAX) kept.delete(kept.keys().next().value);
}

session.subscribe((now) => {
    if (now.phase === 'out' && now.reason === 'left') kept.clear();
});

const nothing = { data: null, text: '', version: null, error: null, at: 0, isStale: false };

function seen(before, data, version) {
    const text = JSON.stringify(data);

    // The same object as before when nothing changed: what hangs on it is not drawn again.
    return { data: text === before.text ? before.data : data, text, version, error: null, at: Date.now(), isStale: false };
}

const noAnswer = new Problem({ code: 'offline', detail: 'The gateway does not answer.' });

function missed(before, error) {
    const isStale = before.data !== null && Date.now() - before.at > STALE_MS;

    return { ...before, error, isStale };
}

export function usePoll(path, { every = EVERY_MS } = {}) {
    const [view, setView] = useState(() => kept.get(path) ?? nothing);
    const refresh = useRef(() => {});

    useEffect(() => {
        if (path === null) return undefined;
        let now = kept.get(path) ?? nothing;
        let timer = 0;
        let controller = null;
        let isOver = false;

        const isQuiet = () => isOver || document.hidden || session.get().phase !== 'in';

        function show(next) {
            now = next;
            if (next.error === null) keep(path, next);
            setView(next);
        }

        async function ask(byItself) {
            clearTimeout(timer);
            if (isQuiet()) return;
            controller?.abort();
            const own = new AbortController();
            const late = setTimeout(() => own.abort(), ANSWER_MS);
            // One that hangs has not failed yet, but what is shown is old already.
            const old = setTimeout(() => {
                if (!isOver && controller === own && now.data !== null) show(missed(now, noAnswer));
            }, STALE_MS);

            controller = own;
            try {
                const { data, version } = await request('GET', path, { poll: byItself, signal: own.signal });

                if (!isOver && controller === own) show(seen(now, data, version));
            } catch (error) {
                if (!isOver && controller === own) show(missed(now, error.name === 'AbortError' ? noAnswer : error));
            }
            clearTimeout(late);
            clearTimeout(old);
            if (controller !== own) return;
            controller = null;
            if (!isQuiet()) timer = setTimeout(() => ask(true), every);
        }

        const wake = () => {
            if (!isQuiet() && controller === null) ask(true);
        };

        setView(now);
        refresh.current = () => ask(false);
        ask(false);
        document.addEventListener('visibilitychange', wake);
        const forget = session.subscribe(wake);

        return () => {
            isOver = true;
            clearTimeout(timer);
            controller?.abort();
            document.removeEventListener('visibilitychange', wake);
            forget();
        };
    }, [path, every]);

    return { ...view, refresh: useCallback(() => refresh.current(), []) };
}

export function useLoad(path) {
    const [view, setView] = useState(nothing);
    const [turn, setTurn] = useState(0);

    useEffect(() => {
        if (path === null) return undefined;
        const controller = new AbortController();

        setView((before) => (before.error ? nothing : before));
        request('GET', path, { signal: controller.signal })
            .then(({ data, version }) => setView((before) => seen(before, data, version)))
            .catch((error) => {
                if (error.name !== 'AbortError') setView((before) => ({ ...before, error }));
            });
        return () => controller.abort();
    }, [path, turn]);

    // A load that failed for want of a session is made again when there is one.
    const hasFailed = useRef(false);

    hasFailed.current = view.error !== null;
    useEffect(
        () =>
            session.subscribe((now) => {
                if (now.phase === 'in' && hasFailed.current) setTurn((n) => n + 1);
            }),
        [],
    );

    const reload = useCallback(() => setTurn((n) => n + 1), []);
    const set = useCallback((data, version) => setView((before) => seen(before, data, version)), []);

    return { data: view.data, version: view.version, error: view.error, reload, set };
}
