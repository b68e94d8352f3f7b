/* What the gateway thinks of the draft while one types: { servers, errors, warnings }.
 *
 * `servers` has each one's stored form, null for those it cannot read. Asked when typing pauses. */
import { useEffect, useRef, useState } from 'preact/hooks';

import { request } from '../app/api.js';
import { inputForCheck } from './draft.js';

const PAUSE_MS = 300;

const none = { servers: [], errors: [], warnings: [] };

function isBlank(draft) {
    return draft.name === '' && draft.servers.every((s) => s.text === '');
}

/* Stored forms by what was typed: a row that is moved keeps its own, without waiting for an answer. */
function byText(draft, servers) {
    return Object.fromEntries(draft.servers.map((s, i) => [s.text, servers[i]]));
}

export function useCheck(draft, stored, isOn) {
    const [found, setFound] = useState({ ...none, stored: {} });
    const text = isOn && !isBlank(draft) ? JSON.stringify(inputForCheck(draft, stored)) : null;
    const isLate = useRef(false);

    useEffect(() => {
        if (text === null) {
            setFound({ ...none, stored: {} });
            return undefined;
        }
        const controller = new AbortController();
        const timer = setTimeout(
            async () => {
                try {
                    const { data } = await request('POST', '/profiles/check', { body: JSON.parse(text), signal: controller.signal });

                    setFound({ ...data, stored: byText(draft, data.servers) });
                } catch {
                    /* saving will say what is wrong */
                }
            },
            isLate.current ? PAUSE_MS : 0,
        );

        isLate.current = true;
        return () => {
            clearTimeout(timer);
            controller.abort();
        };
    }, [text]);
    return found;
}
