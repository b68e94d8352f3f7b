/* The rows of a live list: as they come while nobody is at them, and where they were while a pointer, a
 * finger or the focus is among them, or some are chosen (isHeld). */
import { useEffect, useReducer, useRef } from 'preact/hooks';

import { keyOf } from './states.js';
import { merge } from './steady.js';

const FINGER_MS = 4000;

export function useSteady({ fresh, max, isHeld }) {
    const frame = useRef(null);
    const isAt = useRef({ pointer: false, focus: false, finger: 0 });
    const shown = useRef({ fresh: null, rows: [] });
    const [, drawAgain] = useReducer((n) => n + 1, 0);

    useEffect(() => {
        const element = frame.current;
        const at = isAt.current;
        let timer = 0;

        if (!element) return undefined;
        // What has gone meanwhile leaves when nobody is there any more.
        const settle = (ms) => {
            clearTimeout(timer);
            timer = setTimeout(drawAgain, ms);
        };
        const hears = {
            pointerenter: (e) => e.pointerType === 'mouse' && (at.pointer = true),
            pointerleave: (e) => {
                if (e.pointerType !== 'mouse') return;
                at.pointer = false;
                settle(300);
            },
            pointerdown: (e) => {
                if (e.pointerType === 'mouse') return;
                at.finger = Date.now();
                settle(FINGER_MS + 50);
            },
            focusin: (e) => (at.focus = e.target.matches(':focus-visible, [role=menuitem]')),
            focusout: () => {
                at.focus = false;
                settle(300);
            },
        };

        for (const [name, hear] of Object.entries(hears)) element.addEventListener(name, hear);
        return () => {
            clearTimeout(timer);
            for (const [name, hear] of Object.entries(hears)) element.removeEventListener(name, hear);
        };
    }, [fresh === null]);

    const at = isAt.current;
    const isBusy = isHeld || at.pointer || at.focus || Date.now() - at.finger < FINGER_MS;
    const before = shown.current;

    if (fresh !== null && (before.fresh === null || !isBusy)) shown.current = { fresh, rows: fresh };
    else if (before.fresh !== fresh) shown.current = { fresh, rows: merge(before.rows, fresh, keyOf, max) };
    return { frame, rows: shown.current.rows };
}
