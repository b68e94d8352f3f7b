/* A state as a dot and a word: the dot's shape differs, too, so that colour is not needed.
 *
 *   <Dot tone="good">Up</Dot>           tone: good, warn, bad, off, busy
 *   <Health server={one of GET /servers} />
 */
import { lasting, upper, visible } from '../app/format.js';
import { Time, useTick } from './Time.jsx';

export function Dot({ tone, title, children }) {
    return (
        <span class={`state state-${tone}`} title={title}>
            <span class="state-dot" aria-hidden="true" />
            <span class="state-text">{children}</span>
        </span>
    );
}

/* The states of a server (SP23): the word, the tone, and what it means. */
const states = {
    up: ['good', 'Up', 'It takes mail.'],
    doubted: ['warn', 'Doubted', 'Its last deliveries failed; a few more, and it counts as down.'],
    down: ['bad', 'Down', 'It failed three times in a row. It gets no mail while another server is up, and is tried without mail until it answers.'],
    trying: ['warn', 'Trying', 'All servers are down: this one is tried with one delivery at a time.'],
    warming: ['good', 'Back', 'It answers again; what waited for it goes out step by step.'],
    'login refused': ['bad', 'Login refused', 'It does not take our login. No mail goes there until the profile is saved or the server is enabled.'],
};

export function healthOf(server) {
    if (!server) return { tone: 'off', text: 'Not known', meaning: 'Nothing has been sent there yet.' };
    if (server.drained) return { tone: 'off', text: 'Drained', meaning: 'An operator has taken it out of use.' };
    const [tone, text, meaning] = states[server.state] ?? ['off', server.state, ''];

    return { tone, text, meaning };
}

/* Why a server is not well, in its own words; "" if it is. */
export function reasonOf(server) {
    return server && healthOf(server).tone !== 'good' && server.reason ? visible(server.reason) : '';
}

/* The same for where there is room: what the state means, and when it is looked at again. */
export function HealthNote({ server }) {
    const { tone, meaning } = healthOf(server);
    const reason = reasonOf(server);

    if (!server || tone === 'good') return null;
    return (
        <p class="health-reason">
            {reason && `${upper(reason)}. `}
            {meaning}
            {server.next_probe && (
                <>
                    {' '}
                    Next look <Time at={server.next_probe} />.
                </>
            )}
        </p>
    );
}

export function Health({ server }) {
    const { tone, text, meaning } = healthOf(server);
    const hasLasted = server?.since && (tone === 'bad' || tone === 'warn');

    useTick();

    return (
        <Dot tone={tone} title={meaning}>
            {text}
            {hasLasted && ` for ${lasting(server.since)}`}
        </Dot>
    );
}
