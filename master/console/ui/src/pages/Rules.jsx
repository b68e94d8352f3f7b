/* The security rules, in the order in which they are asked. */
import { useState } from 'preact/hooks';

import { request } from '../app/api.js';
import { useLoad, usePoll } from '../app/poll.js';
import { Link, navigate } from '../app/router.jsx';
import { useCanChange } from '../app/session.js';
import { TestMessage } from '../dashboard/TestMessage.jsx';
import { Button } from '../parts/Button.jsx';
import { PlusIcon, RulesIcon, SendIcon, ServersIcon } from '../parts/icons.jsx';
import { Banner, Empty, LiveState, Page, Skeleton } from '../parts/Page.jsx';
import { SortList } from '../parts/SortList.jsx';
import { toast } from '../parts/Toast.jsx';
import { useOrder } from '../rules/use_order.js';
import { WhichBox } from '../rules/WhichBox.jsx';

const FILTER_FROM = 10;
const SHOWN_RULES = 100;
const SHOWN_ENTRIES = 3;

function listed(entries) {
    const rest = entries.length - SHOWN_ENTRIES;

    return entries.slice(0, SHOWN_ENTRIES).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}

const isAll = (entries, ...all) => entries.length === all.length && all.every((one) => entries.includes(one));

/* "to *@example.net, from 10.0.0.0/8" */
function Conditions({ match }) {
    return (
        <span class="rule-match">
            <span class="soft">to</span> <span class="mono">{isAll(match.recipients, '*') ? 'everybody' : listed(match.recipients)}</span>
            {!isAll(match.senders, '*') && (
                <>
                    {' '}
                    <span class="soft">from</span> <span class="mono">{listed(match.senders)}</span>
                </>
            )}
            {!isAll(match.clients, '0.0.0.0/0', '::/0') && (
                <>
                    {' '}
                    <span class="soft">by</span> <span class="mono">{listed(match.clients)}</span>
                </>
            )}
        </span>
    );
}

function Way({ rule, profiles }) {
    const steps = [
        ['Scan at', rule.core],
        ['Upload to', rule.vault],
        ['Relay by', rule.relay],
    ].filter(([, name]) => name);

    return (
        <ul class="rule-way">
            {steps.map(([text, name]) => {
                const profile = profiles.find((p) => p.name === name);

                return (
                    <li key={text}>
                        <span class="soft">{text}</span> {profile ? <Link to={`/profiles/${profile.id}`}>{name}</Link> : name}
                    </li>
                );
            })}
        </ul>
    );
}

/* On or off, at once; what else the rule says is kept. */
function useSwitch(refresh) {
    const [busy, setBusy] = useState({}); // the state that is wished for, by id

    async function turn(rule, enabled, version, isUndo) {
        setBusy((now) => ({ ...now, [rule.id]: enabled }));
        try {
            const { data } = await request('PUT', `/rules/${rule.id}`, { body: { ...rule, enabled, version: undefined }, version });
            const undo = isUndo ? undefined : () => turn(data.rule, !enabled, data.rule.version, true);

            toast(`“${rule.name}” is ${enabled ? 'on' : 'off'}.`, { undo });
        } catch (problem) {
            toast(problem.code === 'stale' ? `“${rule.name}” was changed by somebody else meanwhile. Look at it, then try again.` : problem, { tone: 'bad' });
        }
        await refresh();
        setBusy(({ [rule.id]: _, ...rest }) => rest);
    }

    return { busy, turn: (rule, enabled) => turn(rule, enabled, rule.version, false) };
}

function Row({ rule, place, handle, profiles, toggles, canChange }) {
    const isOn = toggles.busy[rule.id] ?? rule.enabled;

    function follow(event) {
        if (event.target.closest('a, button, input, label') || String(window.getSelection())) return;
        navigate(`/rules/${rule.id}`);
    }

    return (
        <div class={`card rule-row ${isOn ? '' : 'is-off'}`} onClick={follow}>
            {canChange && handle}
            <span class="rule-place num">{place}</span>
            <div class="rule-text">
                <span class="rule-name">
                    <Link to={`/rules/${rule.id}`}>{rule.name}</Link>
                    {rule.allow_open_relay && <span class="tag tag-warn">open relay</span>}
                    {rule.not_in_effect?.length > 0 && <span class="tag">not all in effect yet</span>}
                </span>
                <Conditions match={rule.match} />
            </div>
            <Way rule={rule} profiles={profiles} />
            <label class="rule-switch">
                <input type="checkbox" role="switch" checked={isOn} disabled={!canChange || rule.id in toggles.busy} aria-label={`“${rule.name}” is on`} onChange={(event) => toggles.turn(rule, event.currentTarget.checked)} />
                <span>{isOn ? 'On' : 'Off'}</span>
            </label>
        </div>
    );
}

function FirstRule({ canChange, hasRelay }) {
    return (
        <Empty
            icon={RulesIcon}
            title="No security rule yet"
            actions={
                canChange &&
                (hasRelay ? (
                    <Button kind="primary" icon={PlusIcon} to="/rules/new">
                        Make the first rule
                    </Button>
                ) : (
                    <Button kind="primary" icon={ServersIcon} to="/profiles/new">
                        Make a server profile first
                    </Button>
                ))
            }
        >
            <p>A security rule says which mail is taken and where it goes: to which mail servers, whether it is scanned before, and whether its attachments are uploaded.</p>
            <p>{hasRelay ? 'Until there is one, the gateway takes no mail at all. Begin with the mail for your own domain.' : 'A rule needs mail servers to relay to. They stand in a server profile; make one, then come back.'}</p>
        </Empty>
    );
}

function filtered(rules, text) {
    const wanted = text.trim().toLowerCase();
    const texts = (r) => [r.name, r.relay, r.core, r.vault, ...r.match.recipients, ...r.match.senders, ...r.match.clients];

    return wanted === '' ? rules : rules.filter((r) => texts(r).some((t) => t?.toLowerCase().includes(wanted)));
}

export function Rules() {
    const view = usePoll('/rules', { every: 4000 });
    const profiles = useLoad('/profiles');
    const canChange = useCanChange();
    const { rules, move } = useOrder(view);
    const toggles = useSwitch(view.refresh);
    const [filter, setFilter] = useState('');
    const [most, setMost] = useState(SHOWN_RULES);
    const [isSending, setSending] = useState(false);
    const known = profiles.data?.profiles ?? [];
    const found = filtered(rules, filter);
    const isLoaded = view.data !== null && profiles.data !== null;

    return (
        <Page
            title="Security rules"
            text="They are asked from the top for each recipient of a message; the first that matches takes it. What none takes is refused."
            actions={
                canChange &&
                rules.length > 0 && (
                    <>
                        <Button icon={SendIcon} onClick={() => setSending(true)}>
                            Test message
                        </Button>
                        <Button kind="primary" icon={PlusIcon} to="/rules/new">
                            New rule
                        </Button>
                    </>
                )
            }
        >
            <LiveState view={view.error ? view : profiles} />
            {!isLoaded && !view.error && !profiles.error && <Skeleton />}
            {isLoaded && rules.length === 0 && <FirstRule canChange={canChange} hasRelay={known.some((p) => p.type === 'smtp')} />}
            {rules.length > 0 && rules.every((r) => !r.enabled) && (
                <Banner tone="warn" title="No rule is on">
                    <p>The gateway takes no mail until one is.</p>
                </Banner>
            )}
            {isLoaded && rules.length > 0 && (
                <div class="editor rules">
                    <div class="stack">
                        {rules.length >= FILTER_FROM && (
                            <input type="search" class="filter" aria-label="Filter by name, address or profile" placeholder="Filter by name, address or profile" value={filter} onInput={(event) => setFilter(event.currentTarget.value)} />
                        )}
                        <SortList label="Security rules, in their order" items={found.slice(0, most)} keyOf={(r) => r.id} nameOf={(r) => r.name} onMove={move} disabled={!canChange || found !== rules}>
                            {(rule, _, handle) => <Row rule={rule} place={rules.indexOf(rule) + 1} handle={handle} profiles={known} toggles={toggles} canChange={canChange} />}
                        </SortList>
                        {found.length > most && (
                            <div>
                                <Button onClick={() => setMost(most + SHOWN_RULES)}>
                                    Show more: {most} of {found.length}
                                </Button>
                            </div>
                        )}
                        {found.length === 0 && <p class="soft">No rule has that in its name, its addresses or its profiles.</p>}
                    </div>
                    <aside class="editor-side">
                        <WhichBox rules={rules} />
                    </aside>
                </div>
            )}
            {isSending && <TestMessage onClose={() => setSending(false)} />}
        </Page>
    );
}
