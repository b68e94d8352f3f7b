/* A page of the queue: live, without moving what one is about to press. */
import { useState } from 'preact/hooks';

import { bytes, number } from '../app/format.js';
import { withQuery } from '../app/paths.js';
import { usePoll } from '../app/poll.js';
import { Link, navigate } from '../app/router.jsx';
import { useCanChange } from '../app/session.js';
import { Menu } from '../parts/Menu.jsx';
import { LiveState, Skeleton } from '../parts/Page.jsx';
import { Pager, Table } from '../parts/Table.jsx';
import { Time } from '../parts/Time.jsx';
import { AllDialog } from './AllDialog.jsx';
import { BulkBar } from './BulkBar.jsx';
import { OrderDialog } from './Dialogs.jsx';
import { Address, addressOf, describe, othersOf, Rule } from './Envelope.jsx';
import { orderOf, run } from './orders.js';
import { orderForAll, runAll } from './run_all.js';
import { State } from './State.jsx';
import { canDo, keyOf, statesIn, verbsForAll } from './states.js';
import { useSteady } from './use_steady.js';

const PAGE = 100;

function Main({ entry, base }) {
    const { message } = entry;
    const others = message ? othersOf(message) : 0;

    return (
        <span class="mail-main">
            <Link to={`${base}/${entry.id}`}>{message ? <Address text={addressOf(message.recipients[0] ?? '')} none="nobody" /> : <span class="mono">{entry.id}</span>}</Link>
            {others > 0 && <span class="mail-others soft num">+{number(others)}</span>}
            <span class="mail-second">{message ? <>from {<Address text={message.sender} none="the empty sender" />}</> : 'what is in it cannot be read now'}</span>
        </span>
    );
}

function Actions({ entry, verbs, onOrder }) {
    const items = verbs
        .filter((verb) => canDo(verb, entry))
        .map((verb) => {
            const { text, icon, isDanger } = orderOf(verb, [entry]);

            return { text, icon, isDanger, onPick: () => onOrder(verb, [entry]) };
        });

    return entry.isGone ? null : <Menu label={`Actions for ${describe(entry)}`} size="small" items={items} />;
}

function columnsOf({ base, verbs, canChange, onOrder }) {
    return [
        { title: 'Message', isMain: true, cell: (e) => <Main entry={e} base={base} /> },
        { title: 'State', width: '24%', cell: (e) => <State entry={e} /> },
        {
            title: 'Rule and profile',
            width: '20%',
            cell: (e) => (
                <span class="mail-way">
                    <span class="mail-first">
                        <Rule entry={e} />
                    </span>
                    <span class="mail-second">{e.profile ?? '–'}</span>
                </span>
            ),
        },
        {
            title: 'Received',
            width: '7.5rem',
            class: 'mail-received',
            cell: (e) => (
                <span class="mail-way">
                    <Time at={e.received} />
                    <span class="mail-second num">{bytes(e.bytes)}</span>
                </span>
            ),
        },
        ...(canChange ? [{ title: 'Actions', hideTitle: true, width: '4rem', class: 'mail-actions', cell: (e) => <Actions entry={e} verbs={verbs} onOrder={onOrder} /> }] : []),
    ];
}

function rangeText(rows, page, total) {
    const first = (page - 1) * PAGE + 1;
    const range = rows === 0 ? 'Nothing' : `${number(first)} to ${number(first + rows - 1)}`;

    return total === undefined ? range : `${range} of ${number(total)}`;
}

/* The choice of all that the filter fits, on whatever page: { isChosen, ... } for the bar, and what to ask. */
function useAll({ source, filter, verbs, total, canOffer }) {
    const [isChosen, setChosen] = useState(false);
    const [wanted, setWanted] = useState(null);
    const states = statesIn(source.api, source.state(filter.state));
    const items = verbsForAll(verbs, states).map((verb) => {
        const order = orderForAll(verb, states);

        return { verb, order, text: order.text, onPick: () => setWanted({ verb, order, total }) };
    });

    return { bar: { total, isChosen: isChosen && total > 0, isOffered: canOffer, items, onChoose: () => setChosen(true) }, wanted, setWanted, setChosen };
}

/* The list at one address. `source`: { api, state(filter) } of the request; `query`: filters, after, page. */
export function MailList({ base, source, query, verbs, label, empty }) {
    const { page: at, ...asked } = query;
    const { after: _, ...filter } = asked;
    const view = usePoll(withQuery(source.api, { ...asked, state: source.state(asked.state), limit: PAGE }));
    const canChange = useCanChange();
    const [keys, setKeys] = useState(() => new Set());
    const [wanted, setWanted] = useState(null);
    const fresh = view.data?.messages ?? null;
    const { frame, rows } = useSteady({ fresh, max: PAGE, isHeld: keys.size > 0 || wanted !== null });
    const page = Number(at) || 1;
    const here = rows.filter((e) => !e.isGone);
    const chosen = here.filter((e) => keys.has(keyOf(e)));
    const total = view.data?.total ?? 0;
    const all = useAll({ source, filter, verbs, total, canOffer: chosen.length > 0 && chosen.length === here.length && total > chosen.length });
    const choosePage = chosen.length < here.length ? () => choose(new Set(here.map(keyOf))) : null;
    const forget = (done) => setKeys((now) => new Set([...now].filter((key) => !done.includes(key))));

    async function order(verb, entries) {
        if (orderOf(verb, entries).hasDialog) setWanted({ verb, entries });
        else forget(await run(verb, entries, { onDone: view.refresh }));
    }

    function choose(keys) {
        all.setChosen(false);
        setKeys(keys);
    }

    function orderAll(body) {
        const { verb, order, total: max } = all.wanted;

        all.setWanted(null);
        choose(new Set());
        runAll({ verb, order, source, filter, max, body }).then(view.refresh);
    }

    const selection = canChange ? { keys: all.bar.isChosen ? new Set(here.map(keyOf)) : keys, onChange: choose, labelOf: describe, canChoose: (e) => !e.isGone } : undefined;
    const goTo = (after, number) => navigate(withQuery(base, { ...asked, after, page: number > 1 ? number : null }));

    return (
        <>
            <LiveState view={view} />
            {fresh === null && !view.error && <Skeleton lines={12} />}
            {fresh !== null && rows.length === 0 && empty(page)}
            <div class="mail-list" ref={frame} hidden={rows.length === 0}>
                {rows.length > 0 && <Table label={label} columns={columnsOf({ base, verbs, canChange, onOrder: order })} rows={rows} rowKey={keyOf} to={(e) => (e.isGone ? null : `${base}/${e.id}`)} selection={selection} rowClass={(e) => e.isGone && 'is-gone'} />}
            </div>
            {(rows.length > 0 || page > 1) && (
                <Pager text={rangeText(rows.length, page, view.data?.total)} onFirst={page > 1 ? () => goTo(null, 1) : null} onNext={view.data?.next ? () => goTo(view.data.next, page + 1) : null} />
            )}
            {canChange && <BulkBar chosen={chosen} verbs={verbs} all={{ ...all.bar, onPage: choosePage }} onOrder={order} onClear={() => choose(new Set())} />}
            {all.wanted && <AllDialog wanted={all.wanted} base={base} filter={filter} onYes={orderAll} onClose={() => all.setWanted(null)} />}
            <OrderDialog wanted={wanted} onDone={view.refresh} onOrdered={forget} onClose={() => setWanted(null)} />
        </>
    );
}
