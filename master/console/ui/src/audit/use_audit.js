/* The audit log: its newest page is live, older ones are read on demand and kept. */
import { useEffect, useState } from 'preact/hooks';

import { get } from '../app/api.js';
import { usePoll } from '../app/poll.js';
import { withNewest } from './entries.js';

const PAGE = 100;

export function useAudit() {
    const view = usePoll(`/audit?limit=${PAGE}`, { every: 5000 });
    const [entries, setEntries] = useState(null);
    const [isEnd, setEnd] = useState(false);
    const [isBusy, setBusy] = useState(false);
    const [problem, setProblem] = useState(null);
    const newest = view.data?.entries;

    useEffect(() => {
        if (!newest) return;
        setEntries((known) => withNewest(known ?? [], newest));
        if (newest.length < PAGE) setEnd(true);
    }, [newest]);

    /* `limit` more, from before the oldest that is known. */
    async function readOlder(limit) {
        setBusy(true);
        setProblem(null);
        try {
            const more = (await get(`/audit?limit=${limit}&before=${entries.at(-1).number}`)).entries;

            setEntries((known) => [...known, ...more.filter((entry) => entry.number < known.at(-1).number)]);
            setEnd(more.length < limit);
        } catch (error) {
            setProblem(error);
        }
        setBusy(false);
    }

    return { view, entries, isEnd, isBusy, problem, readOlder };
}
