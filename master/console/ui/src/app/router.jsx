/* Addresses of the page: the history API and one table of routes (pages/index.js).
 *
 *   navigate('/profiles/3')        as a click on a link
 *   <Link to="/profiles/3">        a link; with Ctrl or the middle button the browser's own
 *   useLeaveGuard(isDirty, ask)    before the page is left: `ask` resolves to true to let it go
 */
import { useEffect, useRef } from 'preact/hooks';

import { withQuery } from './paths.js';
import { createStore, useStore } from './store.js';

function read() {
    return { path: window.location.pathname, query: window.location.search, isFirst: false };
}

export const place = createStore({ ...read(), isFirst: true });

let guard = null; // async () => may the page be left?

async function mayLeave() {
    return guard === null || guard();
}

export async function navigate(to, { replace = false, force = false } = {}) {
    if (!force && !(await mayLeave())) return;
    if (force) guard = null;
    if (replace) history.replaceState(null, '', to);
    else history.pushState(null, '', to);
    place.set(read());
    window.scrollTo(0, 0);
}

/* The query part of the address, for filters: they survive a reload and can be sent to a colleague. */
export function setQuery(query) {
    history.replaceState(null, '', withQuery(window.location.pathname, query));
    place.set(read());
}

export function useQuery() {
    return Object.fromEntries(new URLSearchParams(useStore(place).query));
}

window.addEventListener('popstate', async () => {
    const from = place.get();
    const to = window.location.pathname + window.location.search;

    if (guard === null) {
        place.set(read());
        return;
    }
    history.pushState(null, '', from.path + from.query); // it stays until the answer is there
    if (await guard()) {
        guard = null;
        await navigate(to);
    }
});

export function useLeaveGuard(isDirty, ask) {
    const latest = useRef(ask);

    latest.current = ask;
    useEffect(() => {
        if (!isDirty) return undefined;
        const own = () => latest.current();
        const onUnload = (event) => event.preventDefault();

        guard = own;
        window.addEventListener('beforeunload', onUnload);
        return () => {
            if (guard === own) guard = null;
            window.removeEventListener('beforeunload', onUnload);
        };
    }, [isDirty]);
}

function isPlainClick(event) {
    return event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
}

export function Link({ to, children, onClick, ...rest }) {
    function follow(event) {
        onClick?.(event);
        if (event.defaultPrevented || !isPlainClick(event)) return;
        event.preventDefault();
        navigate(to);
    }

    return (
        <a href={to} onClick={follow} {...rest}>
            {children}
        </a>
    );
}
