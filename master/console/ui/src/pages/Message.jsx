/* The way of one message so far, and what can be done with it. */
import { useState } from 'preact/hooks';

import { bytes, count, sentence, visible } from '../app/format.js';
import { usePoll } from '../app/poll.js';
import { useCanChange } from '../app/session.js';
import { Button } from '../parts/Button.jsx';
import { Dot } from '../parts/Health.jsx';
import { SearchIcon } from '../parts/icons.jsx';
import { Banner, Empty, LiveState, Page, Skeleton } from '../parts/Page.jsx';
import { Time } from '../parts/Time.jsx';
import { Attempts } from '../queue/Attempts.jsx';
import { BulkBar } from '../queue/BulkBar.jsx';
import { Recipients, Scan, Upload } from '../queue/Contents.jsx';
import { Failures, OrderDialog } from '../queue/Dialogs.jsx';
import { Address, Rule } from '../queue/Envelope.jsx';
import { lastList } from '../queue/last_list.js';
import { orderOf, run } from '../queue/orders.js';
import { Why } from '../queue/State.jsx';
import { canDo, isFinished, stateOf } from '../queue/states.js';

const VERBS = ['release', 'retry', 'hold', 'rescan', 'forward', 'reroute', 'delete'];

function Facts({ list }) {
    return (
        <dl class="mail-facts">
            {list.map(([name, value, isWide]) => (
                <div key={name} class={isWide ? 'is-wide' : undefined}>
                    <dt>{name}</dt>
                    <dd>{value}</dd>
                </div>
            ))}
        </dl>
    );
}

const stages = { scan: 'scan', upload: 'upload', relay: 'delivery' };

/* Attempts count within a step. In the quarantine no step is next: somebody decides which one is. */
function stepOf(group) {
    if (group.state === 'quarantined') return [];
    return [
        [group.state === 'failed' ? 'Failed at' : 'Next step', stages[group.stage] ?? group.stage],
        ['Attempts at it', <span class="num">{group.attempts}</span>],
    ];
}

function groupFacts(group) {
    return [
        ['Rule', <Rule entry={group} />],
        ['Relayed by', group.profile ?? '–'],
        ...stepOf(group),
        ['Open recipients', <span class="num">{group.open_recipients}</span>],
        ...(group.worker !== null && group.worker !== undefined ? [['Worker', <span class="num">{group.worker}</span>]] : []),
        ...(group.crashes > 0 ? [['Workers that died of it', <span class="num">{group.crashes}</span>]] : []),
    ];
}

function Orders({ group, onOrder }) {
    return (
        <div class="row">
            {VERBS.filter((verb) => canDo(verb, group)).map((verb) => {
                const { text, icon, isDanger } = orderOf(verb, [group]);

                return (
                    <Button key={verb} icon={icon} class={isDanger ? 'is-danger' : undefined} onClick={() => onOrder(verb, [group])}>
                        {text}
                    </Button>
                );
            })}
        </div>
    );
}

function Group({ group, number, all, canChange, onOrder }) {
    const [tone, text] = stateOf(group);
    const { message } = group;
    const title = all === 1 ? 'State' : `Part ${number} of ${all}`;

    return (
        <section class="card section" aria-labelledby={`part-${group.group}`}>
            <div class="part-head">
                <h2 id={`part-${group.group}`}>{title}</h2>
                <Dot tone={tone}>{text}</Dot>
                {!isFinished(group) && (
                    <span class="part-why soft">
                        <Why entry={group} />
                    </span>
                )}
            </div>
            {canChange && !isFinished(group) && <Orders group={group} onOrder={onOrder} />}
            {!isFinished(group) && <Facts list={groupFacts(group)} />}
            {message === null && <p class="soft">What is in the message cannot be read now.</p>}
            {message && (
                <>
                    <Recipients message={message} />
                    {message.scan && <Scan scan={message.scan} />}
                    {message.upload && <Upload upload={message.upload} />}
                    {message.attempts?.length > 0 && (
                        <div class="part">
                            <h3>Attempts</h3>
                            <Attempts attempts={message.attempts} />
                        </div>
                    )}
                </>
            )}
        </section>
    );
}

function Envelope({ data }) {
    const message = data.groups.find((g) => g.message)?.message;

    return (
        <section class="card section" aria-label="Envelope">
            <Facts
                list={[
                    ['Sender', message ? <Address text={message.sender} none="the empty sender" /> : '–', true],
                    ['Received', <Time at={data.received} exact />],
                    ['Size', <span class="num">{bytes(data.bytes)}</span>],
                    ['Client', message?.client ? <span class="mono">{visible(message.client)}</span> : '–'],
                    ['HELO', message?.helo ? <span class="mono">{visible(message.helo)}</span> : '–'],
                ]}
            />
        </section>
    );
}

function Message({ id, back }) {
    const view = usePoll(`/queue/${id}`);
    const canChange = useCanChange();
    const [wanted, setWanted] = useState(null);
    const isGone = view.error?.status === 404;
    const groups = view.data?.groups.map((g) => ({ ...g, id: view.data.id })) ?? [];

    async function order(verb, entries) {
        if (orderOf(verb, entries).hasDialog) setWanted({ verb, entries });
        else await run(verb, entries, { onDone: view.refresh });
    }

    if (isGone && view.data === null)
        return (
            <Page title="Not in the queue" back={back}>
                <Empty icon={SearchIcon} title={`${id} is not here`}>
                    <p>{sentence(view.error)} It was delivered or deleted, or there never was such a message; the log tells which.</p>
                </Empty>
            </Page>
        );
    return (
        <Page title={`Message ${id}`} text={groups.length > 1 ? `Its recipients go ${count(groups.length, 'way')}; each part below is delivered by itself.` : null} back={back}>
            {isGone ? (
                <Banner tone="good" title="It has left the queue" role="status">
                    <p>It was delivered or deleted. This is the last that was seen of it.</p>
                </Banner>
            ) : (
                <LiveState view={view} />
            )}
            {view.data === null && !view.error && <Skeleton lines={12} />}
            {view.data && <Envelope data={view.data} />}
            {groups.map((group, i) => (
                <Group key={group.group} group={group} number={i + 1} all={groups.length} canChange={canChange && !isGone} onOrder={order} />
            ))}
            <BulkBar chosen={[]} verbs={[]} />
            <OrderDialog wanted={wanted} onDone={view.refresh} onOrdered={() => {}} onClose={() => setWanted(null)} />
            <Failures />
        </Page>
    );
}

export const MessageOfQueue = ({ id }) => <Message id={id} back={[lastList('/queue'), 'Queue']} />;
export const MessageOfQuarantine = ({ id }) => <Message id={id} back={[lastList('/quarantine'), 'Quarantine']} />;
export const MessageOfFailed = ({ id }) => <Message id={id} back={[lastList('/failed'), 'Failed']} />;
