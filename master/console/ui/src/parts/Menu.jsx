/* A button that opens a list of things to do.
 *
 *   <Menu label="More" items={[{ text: 'Drain', icon: PauseIcon, onPick }, null, { text: 'Delete', isDanger: true, onPick }]} />
 *
 * null is a line between two. The browser's popover closes it on Escape and on a press elsewhere. */
import { useId, useLayoutEffect, useRef, useState } from 'preact/hooks';

import { Button } from './Button.jsx';
import { MoreIcon } from './icons.jsx';

const GAP = 4;

/* Below the button, its right edge at the button's; above it if there is no room. */
function setPlace(list, button) {
    const at = button.getBoundingClientRect();
    const own = list.getBoundingClientRect();
    const below = at.bottom + GAP;
    const top = below + own.height > window.innerHeight ? Math.max(GAP, at.top - GAP - own.height) : below;
    const left = Math.min(Math.max(GAP, at.right - own.width), window.innerWidth - own.width - GAP);

    list.style.top = `${top}px`;
    list.style.left = `${left}px`;
}

const STEPS = { ArrowDown: 1, ArrowUp: -1 };

export function Menu({ label, items, icon = MoreIcon, kind = 'quiet', size, children, class: extra }) {
    const id = useId();
    const list = useRef(null);
    const [isOpen, setOpen] = useState(false);

    const button = () => list.current.previousElementSibling;
    const entries = () => [...list.current.querySelectorAll('[role=menuitem]:not(:disabled)')];

    // The entries exist only while it is open: it has its size when they are drawn.
    useLayoutEffect(() => {
        if (!isOpen) return;
        setPlace(list.current, button());
        entries()[0]?.focus();
    }, [isOpen]);

    function keyPressed(event) {
        const all = entries();
        const at = all.indexOf(document.activeElement);

        if (event.key in STEPS) all[(at + STEPS[event.key] + all.length) % all.length].focus();
        else if (event.key === 'Home') all[0].focus();
        else if (event.key === 'End') all.at(-1).focus();
        else if (event.key === 'Tab') list.current.hidePopover();
        else return;
        if (event.key !== 'Tab') event.preventDefault();
    }

    function pick(item) {
        list.current.hidePopover();
        button().focus();
        item.onPick();
    }

    return (
        <span class={`menu ${extra ?? ''}`}>
            <Button kind={kind} size={size} icon={icon} label={children ? undefined : label} aria-haspopup="menu" aria-expanded={isOpen} onClick={() => list.current.togglePopover()}>
                {children}
            </Button>
            <div ref={list} id={id} class="menu-list" role="menu" aria-label={label} popover="auto" onToggle={(event) => setOpen(event.newState === 'open')} onKeyDown={keyPressed}>
                {isOpen &&
                    items.map((item, i) => {
                        if (item === null) return <hr key={i} />;
                        const Icon = item.icon;

                        return (
                            <button key={i} type="button" role="menuitem" class={item.isDanger ? 'is-danger' : ''} disabled={item.disabled} onClick={() => pick(item)}>
                                {Icon ? <Icon size={16} /> : <span class="menu-gap" />}
                                <span>{item.text}</span>
                            </button>
                        );
                    })}
            </div>
        </span>
    );
}
