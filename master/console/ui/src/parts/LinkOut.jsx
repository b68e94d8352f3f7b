/* A link that leaves the console, to an address that somebody else gave: only the web's, in a tab of its
 * own, and nothing is told of where it came from. */
import { LinkOutIcon } from './icons.jsx';

export function LinkOut({ to, children }) {
    if (!/^https?:\/\//i.test(to ?? '')) return <span>{children}</span>;
    return (
        <a href={to} target="_blank" rel="noopener noreferrer" class="link-out">
            {children}
            <LinkOutIcon size={14} />
        </a>
    );
}
