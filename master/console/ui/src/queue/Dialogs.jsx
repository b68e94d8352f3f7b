/* What an order still needs to know, and what could not be done. */
import { useState } from 'preact/hooks';

import { count, sentence } from '../app/format.js';
import { useLoad } from '../app/poll.js';
import { Link } from '../app/router.jsx';
import { useStore } from '../app/store.js';
import { Button } from '../parts/Button.jsx';
import { Dialog } from '../parts/Dialog.jsx';
import { SelectField, TextField } from '../parts/Field.jsx';
import { failures, run } from './orders.js';

const messages = (entries) => (entries.length === 1 ? 'the message' : count(entries.length, 'message'));

export function useRelays() {
    const profiles = useLoad('/profiles');

    return profiles.data?.profiles.filter((p) => p.type === 'smtp').map((p) => p.name) ?? [];
}

/* A form in a dialog. What is a danger begins with the focus at Cancel. */
export function Frame({ title, yes, isDanger = false, canSend, onSend, onClose, children }) {
    function submit(event) {
        event.preventDefault();
        if (canSend) onSend();
    }

    return (
        <Dialog
            title={title}
            onClose={onClose}
            actions={
                <>
                    <Button onClick={onClose} autofocus={isDanger}>
                        Cancel
                    </Button>
                    <Button kind={isDanger ? 'danger' : 'primary'} type="submit" form="order" disabled={!canSend}>
                        {yes}
                    </Button>
                </>
            }
        >
            <form id="order" class="stack" onSubmit={submit}>
                {children}
            </form>
        </Dialog>
    );
}

function Reroute({ entries, onSend, onClose }) {
    const relays = useRelays();
    const [profile, setProfile] = useState('');

    return (
        <Frame title={`Reroute ${messages(entries)}`} yes="Reroute" canSend={profile !== ''} onSend={() => onSend({ profile })} onClose={onClose}>
            <p>It goes out by the other profile from now on, at once unless it is held. What its rule says of scans and uploads stays as it is.</p>
            <SelectField label="Relay by" options={[['', 'Choose a profile'], ...relays.map((n) => [n, n])]} value={profile} onInput={setProfile} />
        </Frame>
    );
}

/* What is one after all, the gateway decides. */
const MAILBOX = /^[^@]+@[^@\s]+$/;

function Forward({ entries, onSend, onClose }) {
    const relays = useRelays();
    const [to, setTo] = useState('');
    const [profile, setProfile] = useState('');
    const [isTried, setTried] = useState(false);
    const isMailbox = MAILBOX.test(to.trim());

    function send() {
        setTried(true);
        if (isMailbox) onSend(profile === '' ? { to: to.trim() } : { to: to.trim(), profile });
    }

    return (
        <Frame title={`Forward ${messages(entries)}`} yes="Forward" canSend={to.trim() !== ''} onSend={send} onClose={onClose}>
            <p>Somebody who knows what to do gets it as an attachment, with a warning. It stays in the quarantine.</p>
            <TextField label="To" placeholder="expert@example.net" value={to} onInput={setTo} inputmode="email" autofocus error={isTried && !isMailbox && 'This is no mail address'} />
            <SelectField label="Relay by" options={[['', 'the message’s own profile'], ...relays.map((n) => [n, n])]} value={profile} onInput={setProfile} />
        </Frame>
    );
}

/* wanted: { verb, entries }, null: none. onOrdered gets the keys of what was done. */
export function OrderDialog({ wanted, onDone, onOrdered, onClose }) {
    const What = wanted?.verb === 'reroute' ? Reroute : Forward;

    async function send(body) {
        onClose();
        onOrdered(await run(wanted.verb, wanted.entries, { body, onDone }));
    }

    return wanted && <What entries={wanted.entries} onSend={send} onClose={onClose} />;
}

const SHOWN = 8;

/* The same reason said once; the gateway begins it with the message's id. */
function byReason(list) {
    const groups = new Map();

    for (const { item, problem } of list) {
        const reason = problem ? sentence({ detail: problem.detail.replace(`${item.id}: `, '') }) : 'Not tried.';

        groups.set(reason, [...(groups.get(reason) ?? []), item]);
    }
    return [...groups];
}

export function Failures() {
    const now = useStore(failures);
    const close = () => failures.set(null);

    if (now === null) return null;
    return (
        <Dialog
            title={`${count(now.list.length, 'message')} not done`}
            onClose={close}
            actions={
                <Button kind="primary" onClick={close}>
                    Close
                </Button>
            }
        >
            <p>
                {now.order.doing} went well for {count(now.done, 'message')}. The others are as they were:
            </p>
            {byReason(now.list).map(([reason, items]) => (
                <div key={reason} class="failure">
                    <strong>{reason}</strong>
                    <p>
                        {items.slice(0, SHOWN).map((item, i) => (
                            <span key={item.id + item.group}>
                                {i > 0 && ', '}
                                <Link to={`/queue/${item.id}`} class="mono" onClick={close}>
                                    {item.id}
                                </Link>
                            </span>
                        ))}
                        {items.length > SHOWN && ` and ${items.length - SHOWN} more`}
                    </p>
                </div>
            ))}
        </Dialog>
    );
}
