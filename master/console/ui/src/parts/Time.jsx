/* <Time at="2026-11-26T10:00:00Z" />: "3 min ago", the exact time when pointed at, always current. */
import { exactTime, longTime, relative } from '../app/format.js';
import { createStore, useStore } from '../app/store.js';

const TICK_MS = 1000;

const tick = createStore(Date.now());

setInterval(() => {
    if (!document.hidden) tick.set(Date.now());
}, TICK_MS);

/* Draws again every second. */
export function useTick() {
    return useStore(tick);
}

export function Time({ at, exact = false, none = '–' }) {
    useTick();
    if (!at) return <span>{none}</span>;
    return (
        <time dateTime={at} title={longTime(at)} class="num">
            {exact ? exactTime(at) : relative(at)}
        </time>
    );
}
