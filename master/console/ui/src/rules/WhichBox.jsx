/* "Which rule would take this mail?": the very match that is run for each recipient, and why. */
import { useRef, useState } from 'preact/hooks';

import { request } from '../app/api.js';
import { sentence } from '../app/format.js';
import { Link } from '../app/router.jsx';
import { useCanChange } from '../app/session.js';
import { TestMessage } from '../dashboard/TestMessage.jsx';
import { Button } from '../parts/Button.jsx';
import { TextField } from '../parts/Field.jsx';
import { CheckIcon, CloseIcon, MinusIcon, SendIcon } from '../parts/icons.jsx';
import { Banner } from '../parts/Page.jsx';

/* GET /rules/which has its parameters always, also empty ones. */
function queryOf({ client, from, to }) {
    return `/rules/which?${new URLSearchParams({ client: client.trim(), from: from.trim(), to: to.trim() })}`;
}

function RuleLink({ name, rules }) {
    const rule = rules.find((r) => r.name === name);

    return rule ? <Link to={`/rules/${rule.id}`}>{name}</Link> : <span>{name}</span>;
}

function Verdict({ answer, rules }) {
    if (answer.verdict === 'refused')
        return (
            <p class="which-verdict">
                <CloseIcon size={18} />
                <span>
                    <strong>Refused</strong> with <span class="mono">{answer.reply}</span>: {answer.why}.
                </span>
            </p>
        );
    return (
        <p class="which-verdict is-good">
            <CheckIcon size={18} />
            <span>
                {answer.verdict === 'match' ? (
                    <>
                        <strong>
                            <RuleLink name={answer.rule} rules={rules} />
                        </strong>{' '}
                        takes it, place {answer.position}: {answer.why}.
                    </>
                ) : (
                    <>
                        <strong>The setting for postmaster</strong> takes it, for <span class="mono">{answer.mailbox}</span>: {answer.why}.
                    </>
                )}{' '}
                {answer.profile && `It would go to ${answer.profile}`}
                {answer.server && (
                    <>
                        , beginning with <span class="mono">{answer.server}</span>
                    </>
                )}
                {answer.profile && '.'}
            </span>
        </p>
    );
}

const SHOWN_PASSED = 50;

function PassedOver({ list, rules }) {
    if (!list || list.length === 0) return null;
    return (
        <details class="which-passed" open={list.length <= 8}>
            <summary>{list.length === 1 ? 'One rule was passed over' : `${list.length} rules were passed over`}</summary>
            <ol>
                {list.slice(0, SHOWN_PASSED).map((entry) => (
                    <li key={entry.rule}>
                        <MinusIcon size={14} />
                        <span>
                            <RuleLink name={entry.rule} rules={rules} />: {entry.because}
                        </span>
                    </li>
                ))}
                {list.length > SHOWN_PASSED && <li class="soft">and {list.length - SHOWN_PASSED} more</li>}
            </ol>
        </details>
    );
}

const isNoAddress = (problem) => problem?.status === 422 && problem.detail.startsWith('client:');

export function WhichBox({ rules }) {
    const [mail, setMail] = useState({ client: '', from: '', to: '' });
    const [found, setFound] = useState(null); // { of, answer } or { of, problem }
    const [isBusy, setBusy] = useState(false);
    const [isSending, setSending] = useState(false);
    const last = useRef(0);
    const canChange = useCanChange();
    const change = (name) => (value) => setMail({ ...mail, [name]: value });
    const problem = found?.problem;

    async function ask(event) {
        const turn = ++last.current;

        event.preventDefault();
        setBusy(true);
        try {
            const { data } = await request('GET', queryOf(mail));

            if (turn === last.current) setFound({ of: mail, answer: data });
        } catch (error) {
            if (turn === last.current) setFound({ of: mail, problem: error });
        }
        if (turn === last.current) setBusy(false);
    }

    return (
        <section class="card section which" aria-labelledby="which-title">
            <h2 id="which-title">Which rule would take this?</h2>
            <form class="stack" onSubmit={ask}>
                <TextField label="Recipient" placeholder="user@example.net" value={mail.to} onInput={change('to')} required />
                <TextField label="Sender" placeholder="the empty sender" value={mail.from} onInput={change('from')} />
                <TextField label="Client’s IP address" placeholder="192.0.2.25" value={mail.client} onInput={change('client')} error={isNoAddress(problem) && 'This is no IP address'} required />
                <Button type="submit" busy={isBusy}>
                    Ask
                </Button>
            </form>
            <div class="which-answer" role="status">
                {problem && !isNoAddress(problem) && (
                    <Banner tone="bad" role="presentation">
                        <p>{sentence(problem)}</p>
                    </Banner>
                )}
                {found?.answer && (
                    <>
                        {found.of !== mail && <p class="soft">Of what you asked before: {found.of.to}</p>}
                        <Verdict answer={found.answer} rules={rules} />
                        <PassedOver list={found.answer.passed_over} rules={rules} />
                        {canChange && found.answer.verdict !== 'refused' && (
                            <Button size="small" icon={SendIcon} onClick={() => setSending(true)}>
                                Send a test message this way
                            </Button>
                        )}
                    </>
                )}
            </div>
            {isSending && <TestMessage initial={found.of} onClose={() => setSending(false)} />}
        </section>
    );
}
