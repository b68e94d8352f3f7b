/* What an operator can order about a server: no new mail there, or mail again. */
import { request } from '../app/api.js';
import { PauseIcon, PlayIcon } from '../parts/icons.jsx';
import { Menu } from '../parts/Menu.jsx';
import { toast } from '../parts/Toast.jsx';

async function order(what, { profile, server }) {
    await request('POST', `/servers/${what}`, { body: { profile, server } });
}

async function drain(server, onDone) {
    try {
        await order('drain', server);
        toast(`${server.server} gets no new mail.`, { undo: () => enable(server, onDone) });
    } catch (problem) {
        toast(problem, { tone: 'bad' });
    }
    onDone();
}

async function enable(server, onDone) {
    try {
        await order('enable', server);
        toast(`${server.server} is used again.`);
    } catch (problem) {
        toast(problem, { tone: 'bad' });
    }
    onDone();
}

export function ServerMenu({ server, size, onDone }) {
    const canDrain = !server.drained;
    const canEnable = server.drained || ['down', 'login refused', 'trying'].includes(server.state);

    return (
        <Menu
            size={size}
            label={`Orders for ${server.server}`}
            items={[
                canEnable && { text: server.drained ? 'Use it again' : 'Use it again at once', icon: PlayIcon, onPick: () => enable(server, onDone) },
                canDrain && { text: 'Drain: no new mail', icon: PauseIcon, onPick: () => drain(server, onDone) },
            ].filter(Boolean)}
        />
    );
}
