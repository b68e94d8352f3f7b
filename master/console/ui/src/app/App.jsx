/* What is on the screen: the log-in, or the shell with a page in it. */
import { useEffect, useState } from 'preact/hooks';

import { Banner } from '../parts/Page.jsx';
import { Mark } from '../parts/icons.jsx';
import { FirstAccount } from '../pages/FirstAccount.jsx';
import { LogIn } from '../pages/LogIn.jsx';
import { useSamePlace } from './same_place.js';
import { useSession } from './session.js';
import { Shell } from './Shell.jsx';

const PATIENCE_MS = 400;

/* Only when it takes long enough to be seen. */
function Starting({ isUnreachable }) {
    const [isLate, setLate] = useState(false);

    useEffect(() => {
        const timer = setTimeout(() => setLate(true), PATIENCE_MS);

        return () => clearTimeout(timer);
    }, []);
    if (isUnreachable)
        return (
            <main class="gate">
                <Mark size={44} />
                <Banner tone="warn" title="The gateway does not answer">
                    <p>It is asked again every two seconds; this page goes on by itself.</p>
                </Banner>
            </main>
        );
    return isLate ? (
        <main class="gate" role="status" aria-label="Loading">
            <Mark size={44} />
        </main>
    ) : null;
}

export function App() {
    const session = useSession();
    const { phase, serial, account } = session;

    useSamePlace();
    if (phase === 'starting' || phase === 'unreachable') return <Starting isUnreachable={phase === 'unreachable'} />;
    if (phase === 'first') return <FirstAccount />;
    return (
        <>
            {/* A session that ended leaves what was begun in its place, out of sight, for the same person. */}
            {account && (
                <div key={serial} hidden={phase === 'out'}>
                    <Shell session={session} />
                </div>
            )}
            {phase === 'out' && <LogIn session={session} />}
        </>
    );
}
