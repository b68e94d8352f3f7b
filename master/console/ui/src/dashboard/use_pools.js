/* The pools of the servers that are shown.
 *
 * Of a few servers the gateway is asked for all at once. A list of a thousand profiles costs it a tenth
 * of a second, in which no mail moves: then only those that are shown are asked for, one by one. */
import { useEffect, useState } from 'preact/hooks';

import { get } from '../app/api.js';
import { withQuery } from '../app/paths.js';
import { usePoll } from '../app/poll.js';
import { session } from '../app/session.js';

const EVERY_MS = 10000;

async function poolsOf(names, signal) {
    const pools = [];

    for (const profile of names) pools.push(...(await get(withQuery('/pool', { profile }), { poll: true, signal })).servers);
    return pools;
}

/* `names`: of profiles, none of them while it is not known which; null: all. */
export function usePools(names) {
    const all = usePoll(names === null ? '/pool' : null);
    const [some, setSome] = useState([]);
    const key = names?.join('\n') ?? null;

    useEffect(() => {
        if (!key) return undefined;
        const controller = new AbortController();
        let timer = 0;

        async function ask() {
            try {
                if (!document.hidden && session.get().phase === 'in') setSome(await poolsOf(key.split('\n'), controller.signal));
            } catch {
                /* what was known stays; the page says that the gateway does not answer */
            }
            if (!controller.signal.aborted) timer = setTimeout(ask, EVERY_MS);
        }

        ask();
        return () => {
            clearTimeout(timer);
            controller.abort();
        };
    }, [key]);

    return names === null ? (all.data?.servers ?? []) : some;
}
