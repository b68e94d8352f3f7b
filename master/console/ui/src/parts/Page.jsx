/* The frame of a page: its title (also the tab's), a sentence, its buttons; and what pages show while
 * there is nothing to show.
 *
 *   <Page title="Queue" text="What waits." actions={<Button ...>}> ... </Page>
 */
import { useEffect, useRef } from 'preact/hooks';

import { relative, sentence } from '../app/format.js';
import { Link, place } from '../app/router.jsx';
import { useTick } from './Time.jsx';
import { Button } from './Button.jsx';
import { CheckIcon, InfoIcon, LeftIcon, WarningIcon } from './icons.jsx';

export function Page({ title, text, actions, back, wide = false, children }) {
    const head = useRef(null);

    useEffect(() => {
        document.title = `${title} – Postern`;
    }, [title]);

    // After a click on a link the focus is at the new page's title: it is read out, and Tab goes on there.
    useEffect(() => {
        if (!place.get().isFirst) head.current.focus({ preventScroll: true });
    }, []);

    return (
        <div class={`page ${wide ? 'page-wide' : ''}`}>
            <header class="page-head">
                {back && (
                    <Link to={back[0]} class="page-back">
                        <LeftIcon size={16} />
                        {back[1]}
                    </Link>
                )}
                <div class="page-title">
                    <h1 ref={head} tabindex={-1}>
                        {title}
                    </h1>
                    {actions && <div class="page-actions">{actions}</div>}
                </div>
                {text && <p class="page-text">{text}</p>}
            </header>
            {children}
        </div>
    );
}

const bannerIcons = { info: InfoIcon, good: CheckIcon, warn: WarningIcon, bad: WarningIcon };

/* A notice within a page. tone: "info", "warn", "bad", "good". */
export function Banner({ tone = 'info', title, actions, children, role }) {
    const Icon = bannerIcons[tone];

    return (
        <div class={`banner banner-${tone}`} role={role ?? (tone === 'bad' ? 'alert' : undefined)}>
            <Icon size={20} />
            <div class="banner-text">
                {title && <strong>{title}</strong>}
                {children}
            </div>
            {actions && <div class="banner-actions">{actions}</div>}
        </div>
    );
}

/* Nothing is there yet: what it is for, and the first step. */
export function Empty({ icon: Icon, title, children, actions }) {
    return (
        <div class="empty">
            {Icon && <Icon size={36} />}
            <h2>{title}</h2>
            <div class="empty-text">{children}</div>
            {actions && <div class="empty-actions">{actions}</div>}
        </div>
    );
}

/* While the first answer is on its way: the room that it will take. */
export function Skeleton({ lines = 6 }) {
    return (
        <div class="skeleton" role="status" aria-label="Loading">
            {Array.from({ length: lines }, (_, i) => (
                <span key={i} />
            ))}
        </div>
    );
}

/* What a page with live data shows above it: nothing, that it is old, or that there is none. */
export function LiveState({ view }) {
    useTick();
    if (view.data === null && view.error)
        return (
            <Banner tone="bad" title="This could not be loaded" actions={<Button onClick={view.refresh ?? view.reload}>Try again</Button>}>
                <p>{sentence(view.error)}</p>
            </Banner>
        );
    if (view.isStale)
        return (
            <Banner tone="warn" title={`As of ${relative(view.at, Date.now())}`} role="status">
                <p>{sentence(view.error)} What you see is the last that was known; it is asked again every few seconds.</p>
            </Banner>
        );
    return null;
}
