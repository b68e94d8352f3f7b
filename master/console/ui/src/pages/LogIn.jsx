/* Logging in; also when a session ended: then the page that was open goes on behind it. */
import { useEffect, useRef, useState } from 'preact/hooks';

import { duration, sentence } from '../app/format.js';
import { logIn } from '../app/session.js';
import { Button } from '../parts/Button.jsx';
import { TextField } from '../parts/Field.jsx';
import { Mark } from '../parts/icons.jsx';
import { Banner } from '../parts/Page.jsx';
import { useTick } from '../parts/Time.jsx';

/* Seconds until the next try is taken, counted down. */
function useWait() {
    const [until, setUntil] = useState(0);
    const now = useTick();

    return [Math.max(0, Math.ceil((until - Math.max(now, Date.now())) / 1000)), (seconds) => setUntil(Date.now() + seconds * 1000)];
}

export function GateFrame({ title, text, children }) {
    // The title of what waits behind it comes back with that.
    useEffect(() => {
        const before = document.title;

        document.title = `${title} – Postern`;
        return () => (document.title = before);
    }, [title]);
    return (
        <main class="gate">
            <Mark size={44} />
            <h1>{title}</h1>
            {text && <p class="gate-text">{text}</p>}
            {children}
            {window.location.protocol !== 'https:' && (
                <Banner tone="warn">
                    <p>This console is not protected by TLS: what you enter crosses the network in clear.</p>
                </Banner>
            )}
        </main>
    );
}

export function LogIn({ session }) {
    const [name, setName] = useState(session.account);
    const [password, setPassword] = useState('');
    const [problem, setProblem] = useState(null);
    const [isBusy, setBusy] = useState(false);
    const [wait, startWait] = useWait();
    const form = useRef(null);

    useEffect(() => {
        form.current.querySelector(session.account ? 'input[type=password]' : 'input').focus();
    }, []);

    async function submit(event) {
        event.preventDefault();
        if (isBusy || wait > 0) return;
        setBusy(true);
        setProblem(null);
        try {
            await logIn(name, password);
        } catch (error) {
            setBusy(false);
            setProblem(error);
            setPassword('');
            if (error.code === 'rate') startWait(error.retryAfter || 60);
            form.current.querySelector('input[type=password]').focus();
        }
    }

    const hasEnded = session.reason === 'ended';

    return (
        <GateFrame title="Log in" text={hasEnded ? 'Your session has ended. Log in again and go on where you were.' : null}>
            <form class="gate-card stack" ref={form} onSubmit={submit}>
                <TextField label="Name" name="name" autocomplete="username" value={name} onInput={setName} required />
                <TextField label="Password" name="password" type="password" autocomplete="current-password" value={password} onInput={setPassword} required />
                <div role="alert">
                    {problem && (
                        <Banner tone="bad" role="presentation">
                            <p>
                                {problem.code === 'login' && 'Name or password is wrong.'}
                                {problem.code === 'rate' && (wait > 0 ? 'Too many tries. ' : 'You can try again now.')}
                                {problem.code !== 'login' && problem.code !== 'rate' && sentence(problem)}
                                {problem.code === 'rate' && wait > 0 && <span class="num">The next is taken in {duration(wait)}.</span>}
                            </p>
                        </Banner>
                    )}
                </div>
                <Button kind="primary" type="submit" busy={isBusy} disabled={wait > 0}>
                    Log in
                </Button>
            </form>
        </GateFrame>
    );
}
