/* Short news at the edge of the screen, read out as well.
 *
 *   toast('Profile saved.')
 *   toast('2 messages held.', { undo: () => release() })
 *   toast(problem, { tone: 'bad' })
 *   toast('250 messages held.', { stays: true })
 *
 * They leave by themselves, later while one points at them or has the focus there; bad ones, and those that say so, stay
 * until they are closed. */
import { useEffect, useState } from 'preact/hooks';

import { sentence } from '../app/format.js';
import { createStore, useStore } from '../app/store.js';
import { Button } from './Button.jsx';
import { CheckIcon, CloseIcon, WarningIcon } from './icons.jsx';

const SHOWN_MS = 6000;
const UNDO_MS = 12000;
const SHOWN_MAX = 4;

const toasts = createStore([]);
let last = 0;

export function toast(what, { undo, tone = 'good', stays = tone === 'bad' } = {}) {
    const text = typeof what === 'string' ? what : sentence(what);

    toasts.set([...toasts.get(), { key: ++last, text, undo, tone, stays }].slice(-SHOWN_MAX));
}

function drop(key) {
    toasts.set(toasts.get().filter((t) => t.key !== key));
}

function Toast({ item }) {
    const [isHeld, setHeld] = useState(false);

    useEffect(() => {
        if (isHeld || item.stays) return undefined;
        const timer = setTimeout(() => drop(item.key), item.undo ? UNDO_MS : SHOWN_MS);

        return () => clearTimeout(timer);
    }, [isHeld]);

    function undo() {
        drop(item.key);
        item.undo();
    }

    return (
        <div class={`toast toast-${item.tone}`} onPointerEnter={() => setHeld(true)} onPointerLeave={() => setHeld(false)} onFocusIn={() => setHeld(true)} onFocusOut={() => setHeld(false)}>
            {item.tone === 'bad' ? <WarningIcon size={18} /> : <CheckIcon size={18} />}
            <span class="toast-text">{item.text}</span>
            {item.undo && (
                <Button size="small" kind="quiet" onClick={undo}>
                    Undo
                </Button>
            )}
            <Button size="small" kind="quiet" icon={CloseIcon} label="Close" onClick={() => drop(item.key)} />
        </div>
    );
}

export function Toasts() {
    const list = useStore(toasts);

    return (
        <section class="toasts" aria-label="News" aria-live="polite">
            {list.map((item) => (
                <Toast key={item.key} item={item} />
            ))}
        </section>
    );
}
