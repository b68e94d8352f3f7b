/* Back to where one was when the session ended: the page waits behind the log-in, but the browser
 * forgets how far it was scrolled, and what had the focus, as soon as it is out of sight. */
import { useEffect } from 'preact/hooks';

import { session } from './session.js';

export function useSamePlace() {
    useEffect(() => {
        let was = null;

        return session.subscribe((now) => {
            if (now.phase === 'out') {
                was = now.reason === 'ended' ? { serial: now.serial, top: window.scrollY, focus: document.activeElement } : null;
            } else if (was !== null && was.serial === now.serial) {
                const { top, focus } = was;

                was = null;
                requestAnimationFrame(() => {
                    (focus === document.body ? document.querySelector('#content') : focus)?.focus({ preventScroll: true });
                    window.scrollTo(0, top);
                });
            }
        });
    }, []);
}
