/* Send a message to see it go through, and watch it go. `initial`: { to, from, client } to begin with;
 * `client` is the address that it would come from. */
import { useState } from 'preact/hooks';

import { request } from '../app/api.js';
import { count, sentence } from '../app/format.js';
import { usePoll } from '../app/poll.js';
import { Link } from '../app/router.jsx';
import { Button } from '../parts/Button.jsx';
import { Dialog } from '../parts/Dialog.jsx';
import { TextField } from '../parts/Field.jsx';
import { Dot } from '../parts/Health.jsx';
import { Banner } from '../parts/Page.jsx';

const stages = { scan: 'to be scanned', upload: 'to be uploaded', relay: 'to be relayed' };

const states = {
    ready: ['busy', (g) => `Waits ${stages[g.stage] ?? ''}`],
    checking: ['busy', () => 'Is being looked at'],
    delivering: ['busy', (g) => `Is under way ${stages[g.stage] ?? ''}`],
    deferred: ['warn', (g) => `Deferred after ${count(g.attempts, 'attempt')}; it is tried again`],
    held: ['warn', () => 'Held'],
    quarantined: ['bad', () => 'Quarantined'],
    failed: ['bad', () => 'Failed'],
    delivered: ['good', () => 'Delivered: the next server has taken it'],
    deleted: ['off', () => 'Deleted'],
};

/* What has left the queue is not found any more: this one, as nothing else takes it away, was delivered. */
function Way({ id }) {
    const view = usePoll(`/queue/${id}`, { every: 1000 });
    const group = view.error?.status === 404 ? { state: 'delivered' } : view.data?.groups[0];

    if (!group) return <Dot tone="busy">Is in the queue</Dot>;
    const [tone, text] = states[group.state] ?? ['busy', () => group.state];

    return (
        <div class="stack-tight" role="status">
            <Dot tone={tone}>{text(group)}</Dot>
            {tone !== 'good' && <Link to={`/queue/${id}`}>Its way so far</Link>}
        </div>
    );
}

function Sent({ sent }) {
    return (
        <div class="stack">
            <p>
                To <strong>{sent.to}</strong>, by the rule “{sent.rule}” through the servers of “{sent.profile}”.
            </p>
            <Way id={sent.id} />
        </div>
    );
}

function Fields({ to, from, setTo, setFrom, errorOf, onSubmit }) {
    return (
        <form id="test-message" class="stack" onSubmit={onSubmit} noValidate>
            <TextField label="To" value={to} onInput={setTo} error={errorOf('to')} inputmode="email" autofocus help="It goes the way that the rules say for this recipient." />
            <TextField label="From" value={from} onInput={setFrom} error={errorOf('from')} inputmode="email" placeholder="postmaster at this gateway" help="Rules may look at the sender, too." />
        </form>
    );
}

const noRecipient = { code: 'invalid', detail: 'to: is missing' };

/* Which field a refusal is about; null: none. */
function findingOf(problem) {
    const match = problem?.code === 'invalid' ? /^(to|from): (.*)$/.exec(problem.detail) : null;

    return match && { name: match[1], text: match[2] };
}

export function TestMessage({ initial = {}, onClose, onSent }) {
    const [to, setTo] = useState(initial.to ?? '');
    const [from, setFrom] = useState(initial.from ?? '');
    const [isBusy, setBusy] = useState(false);
    const [problem, setProblem] = useState(null);
    const [sent, setSent] = useState(null);
    const found = findingOf(problem);
    const errorOf = (name) => (found?.name === name ? found.text : undefined);

    async function send(event) {
        event.preventDefault();
        if (isBusy) return;
        setProblem(to.trim() === '' ? noRecipient : null);
        if (to.trim() === '') return;
        setBusy(true);
        try {
            const body = { to: to.trim(), from: from.trim() || undefined, client: initial.client };

            setSent((await request('POST', '/test-message', { body })).data);
            onSent?.();
        } catch (error) {
            setProblem(error);
        }
        setBusy(false);
    }

    return (
        <Dialog
            title={sent ? 'The test message is sent' : 'Send a test message'}
            onClose={onClose}
            actions={
                sent ? (
                    <>
                        <Button onClick={() => setSent(null)}>Send another</Button>
                        <Button kind="primary" onClick={onClose}>
                            Done
                        </Button>
                    </>
                ) : (
                    <>
                        <Button onClick={onClose}>Cancel</Button>
                        <Button kind="primary" type="submit" form="test-message" busy={isBusy}>
                            Send
                        </Button>
                    </>
                )
            }
        >
            {sent ? <Sent key={sent.id} sent={sent} /> : <Fields to={to} from={from} setTo={setTo} setFrom={setFrom} errorOf={errorOf} onSubmit={send} />}
            {problem && !found && (
                <Banner tone="bad" title={problem.code === 'no_rule' ? 'No rule takes it' : 'It was not sent'} actions={problem.code === 'no_rule' && <Button to="/rules">To the rules</Button>}>
                    <p>{sentence(problem)}</p>
                </Banner>
            )}
        </Dialog>
    );
}
