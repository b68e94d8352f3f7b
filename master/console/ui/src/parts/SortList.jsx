/* A list whose rows people put in order: with the mouse or a finger by the handle, or with the
 * keyboard (space on the handle picks a row up, arrows move it, space drops it, Escape puts it back).
 *
 *   <SortList label="Servers" items={list} keyOf={(i) => i.key} nameOf={(i) => i.uri}
 *             onMove={(from, to) => ...}>
 *       {(item, index, handle) => <>{handle} <span>{item.uri}</span></>}
 *   </SortList>
 *
 * onMove is told once, when a row is dropped at another place. */
import { useEffect, useId, useLayoutEffect, useRef, useState } from 'preact/hooks';
import Sortable, { AutoScroll } from 'sortablejs/modular/sortable.core.esm.js';

import { GripIcon } from './icons.jsx';

Sortable.mount(new AutoScroll()); // a long list scrolls while a row is at its edge

export function moved(list, from, to) {
    const next = [...list];

    next.splice(to, 0, ...next.splice(from, 1));
    return next;
}

const isCalm = () => window.matchMedia('(prefers-reduced-motion: reduce)').matches;

/* SortableJS moves the row itself; it is put back, and the caller's new order moves it again. */
function putBack(event) {
    const { from, item, oldIndex, newIndex } = event;

    from.insertBefore(item, from.children[oldIndex < newIndex ? oldIndex : oldIndex + 1] ?? null);
}

function useDragging(list, isOff, onMove) {
    const latest = useRef(onMove);

    latest.current = onMove;
    useEffect(() => {
        if (isOff) return undefined;
        const sortable = Sortable.create(list.current, {
            handle: '.sort-handle',
            draggable: '.sort-row',
            animation: isCalm() ? 0 : 150,
            forceFallback: true, // one look with mouse and finger
            fallbackTolerance: 3,
            scrollSensitivity: 120, // px from the edge; what sticks there is in front of the list
            scrollSpeed: 14,
            ghostClass: 'sort-gap',
            fallbackClass: 'sort-flying',
            onEnd(event) {
                if (event.oldIndex === event.newIndex) return;
                putBack(event);
                latest.current(event.oldIndex, event.newIndex);
            },
        });

        return () => sortable.destroy();
    }, [isOff]);
}

function useKeys({ items, keyOf, nameOf, onMove, list }) {
    const [held, setHeld] = useState(null); // { key, from, at } of what is picked up
    const [news, setNews] = useState('');
    const order = held === null ? items : moved(items, held.from, held.at);
    const placeOf = (at) => `place ${at + 1} of ${items.length}`;

    // Moving an element takes the focus from it.
    useLayoutEffect(() => {
        if (held !== null) list.current.children[held.at]?.querySelector('.sort-handle')?.focus();
    }, [held]);

    function letGo() {
        const { key } = held;

        setHeld(null);
        requestAnimationFrame(() => list.current?.querySelector(`[data-key="${CSS.escape(key)}"] .sort-handle`)?.focus());
    }

    function drop() {
        setNews(`${nameOf(items[held.from])} dropped, ${placeOf(held.at)}.`);
        if (held.at !== held.from) onMove(held.from, held.at);
        letGo();
    }

    function cancel() {
        setNews(`${nameOf(items[held.from])} put back, ${placeOf(held.from)}.`);
        letGo();
    }

    function keyPressed(event, index) {
        const key = String(keyOf(order[index]));
        const isTaken = held?.key === key;
        const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];

        if (event.key === ' ' || event.key === 'Enter') {
            if (isTaken) {
                drop();
            } else {
                setHeld({ key, from: index, at: index });
                setNews(`${nameOf(items[index])} picked up, ${placeOf(index)}. Arrow keys move it, space drops it, Escape puts it back.`);
            }
        } else if (isTaken && step) {
            const at = Math.min(Math.max(held.at + step, 0), items.length - 1);

            setHeld({ ...held, at });
            setNews(`${nameOf(items[held.from])}, ${placeOf(at)}.`);
        } else if (isTaken && event.key === 'Escape') {
            cancel();
        } else if (isTaken && event.key === 'Tab') {
            drop();
            return;
        } else {
            return;
        }
        event.preventDefault();
        event.stopPropagation();
    }

    return { order, held, news, keyPressed };
}

export function SortList({ label, items, keyOf, nameOf, onMove, disabled = false, class: extra = '', children }) {
    const id = useId();
    const list = useRef(null);
    const isOff = disabled || items.length < 2;
    const { order, held, news, keyPressed } = useKeys({ items, keyOf, nameOf, onMove, list });

    useDragging(list, isOff, onMove);

    const handleOf = (item, index) => (
        <button
            type="button"
            class="sort-handle"
            disabled={isOff}
            aria-label={`Move ${nameOf(item)}, place ${index + 1} of ${items.length}`}
            aria-describedby={`${id}-how`}
            aria-pressed={held?.key === String(keyOf(item))}
            title="Drag to reorder; or press space and use the arrow keys"
            onKeyDown={(event) => keyPressed(event, index)}
        >
            <GripIcon size={20} />
        </button>
    );

    return (
        <>
            <ol ref={list} class={`sort-list ${extra}`} aria-label={label}>
                {order.map((item, index) => {
                    const key = String(keyOf(item));

                    return (
                        <li key={key} data-key={key} class={`sort-row ${held?.key === key ? 'is-held' : ''}`}>
                            {children(item, index, handleOf(item, index))}
                        </li>
                    );
                })}
            </ol>
            <span id={`${id}-how`} class="sr-only">
                Space picks the row up, arrow keys move it, space drops it, Escape puts it back.
            </span>
            <span class="sr-only" aria-live="assertive">
                {news}
            </span>
        </>
    );
}
