/* The order of the rules while one of them is moved: as it was dropped, until the gateway's own order
 * has it. Nothing jumps back in between. */
import { useEffect, useState } from 'preact/hooks';

import { request } from '../app/api.js';
import { moved } from '../parts/SortList.jsx';
import { toast } from '../parts/Toast.jsx';

const idsOf = (rules) => rules.map((r) => r.id).join();

export function useOrder(view) {
    const rules = view.data?.rules ?? [];
    const [own, setOwn] = useState(null); // { ids, until: the data that the answer found here }

    useEffect(() => {
        if (own?.until && (own.until !== view.data || own.ids === idsOf(rules))) setOwn(null);
    }, [own, view.data]);

    const places = own && own.ids.split(',');
    const shown = own ? [...rules].sort((a, b) => places.indexOf(String(a.id)) - places.indexOf(String(b.id))) : rules;

    async function place(rule, to) {
        await request('POST', `/rules/${rule.id}/move`, { body: { position: to + 1 } });
        view.refresh();
    }

    async function move(from, to) {
        const rule = shown[from];
        const ids = idsOf(moved(shown, from, to));

        setOwn({ ids, until: null });
        try {
            await place(rule, to);
            setOwn({ ids, until: view.data });
            toast(`“${rule.name}” is asked at place ${to + 1} now.`, { undo: () => place(rule, from).catch((problem) => toast(problem, { tone: 'bad' })) });
        } catch (problem) {
            setOwn(null);
            toast(problem, { tone: 'bad' });
        }
    }

    return { rules: shown, move };
}
