/* The frame around every page: navigation at the side, on phones at the bottom; the account; standing
 * warnings; where questions and news appear. */
import { useEffect, useState } from 'preact/hooks';

import { Dialog, Questions } from '../parts/Dialog.jsx';
import { Mark, MenuIcon, WarningIcon } from '../parts/icons.jsx';
import { toast, Toasts } from '../parts/Toast.jsx';
import { NotFound } from '../pages/NotFound.jsx';
import { groups, pages } from '../pages/index.js';
import { AccountMenu } from './AccountMenu.jsx';
import { at } from './clock.js';
import { matchPath } from './paths.js';
import { Link, navigate, place } from './router.jsx';
import { useStore } from './store.js';

function findPage(path) {
    for (const entry of pages) {
        const found = matchPath(entry.path, path);

        if (found) return { entry, found };
    }
    return null;
}

function isAllowed(entry, role) {
    return !entry.role || entry.role === role;
}

function NavLink({ entry, now, onClick, isShort }) {
    const Icon = entry.icon;

    return (
        <Link to={entry.path} class="nav-link" aria-current={now === entry ? 'page' : undefined} onClick={onClick}>
            <Icon />
            <span>{(isShort && entry.short) || entry.title}</span>
        </Link>
    );
}

function NavGroups({ role, now, onClick }) {
    return groups.map(([group, title]) => {
        const entries = pages.filter((e) => e.group === group && e.icon && isAllowed(e, role));

        if (entries.length === 0) return null;
        return (
            <div key={group} class="nav-group">
                {title && <h2 class="nav-title">{title}</h2>}
                {entries.map((entry) => (
                    <NavLink key={entry.path} entry={entry} now={now} onClick={onClick} />
                ))}
            </div>
        );
    });
}

/* On phones: the pages that are needed in a hurry, and a drawer with the rest. */
function BottomBar({ session, now }) {
    const [isOpen, setOpen] = useState(false);
    const entries = pages.filter((e) => e.inBar && isAllowed(e, session.role)).slice(0, 4);
    const isElsewhere = now && !entries.includes(now);

    return (
        <>
            <nav class="bottom-bar" aria-label="Main">
                {entries.map((entry) => (
                    <NavLink key={entry.path} entry={entry} now={now} isShort />
                ))}
                <button type="button" class="nav-link" aria-expanded={isOpen} aria-current={isElsewhere ? 'true' : undefined} onClick={() => setOpen(true)}>
                    <MenuIcon />
                    <span>More</span>
                </button>
            </nav>
            {isOpen && (
                <Dialog title="Postern" class="drawer" onClose={() => setOpen(false)}>
                    <NavGroups role={session.role} now={now} onClick={() => setOpen(false)} />
                    <AccountMenu session={session} isWide />
                </Dialog>
            )}
        </>
    );
}

/* SP62: as long as the page is not loaded over TLS. */
function ClearTextWarning() {
    if (window.location.protocol === 'https:') return null;
    return (
        <p class="clear-text" role="note">
            <WarningIcon size={18} />
            <span>This console is not protected by TLS: passwords and keys that you enter cross the network in clear.</span>
        </p>
    );
}

const NOTICE_MS = 5 * 60 * 1000;

/* However busy one is, a session has an end: said before, so that nothing is lost to it. */
function useEndNotice(ends) {
    useEffect(() => {
        return at(new Date(ends).getTime() - NOTICE_MS, () => toast('Your session ends in five minutes. Save what you have begun.', { tone: 'bad' }));
    }, [ends]);
}

export function Shell({ session }) {
    const { path } = useStore(place);
    const match = findPage(path);
    const allowed = match && isAllowed(match.entry, session.role) ? match : null;
    const now = allowed && (pages.find((e) => e.path === allowed.entry.under) ?? allowed.entry);
    const home = pages[0].path;

    useEndNotice(session.ends);

    useEffect(() => {
        if (path === '/' && home !== '/') navigate(home, { replace: true });
    }, [path]);

    if (path === '/' && home !== '/') return null;
    const Content = allowed ? allowed.entry.page : NotFound;

    return (
        <div class="shell">
            <a class="skip-link" href="#content">
                Skip to the content
            </a>
            <header class="side">
                <Link to={home} class="brand">
                    <Mark />
                    <span>Postern</span>
                </Link>
                <nav class="side-nav" aria-label="Main">
                    <NavGroups role={session.role} now={now} />
                </nav>
                <AccountMenu session={session} />
            </header>
            <main class="content" id="content" tabindex={-1}>
                <ClearTextWarning />
                <Content key={path} {...allowed?.found} />
            </main>
            <BottomBar session={session} now={now} />
            <Questions />
            <Toasts />
        </div>
    );
}
