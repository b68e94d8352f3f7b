/* What can be done with those that are chosen; while it is done, how far it is. */
import { number } from '../app/format.js';
import { useStore } from '../app/store.js';
import { Button } from '../parts/Button.jsx';
import { Menu } from '../parts/Menu.jsx';
import { orderOf, progress } from './orders.js';
import { canDo } from './states.js';

function Progress({ now }) {
    return (
        <>
            <label class="editor-bar-text bulk-progress">
                <span class="num">
                    {now.doing}: {number(now.done)} of {number(now.all)}
                </span>
                <progress max={now.all} value={now.done} />
            </label>
            <Button onClick={now.stop}>Stop</Button>
        </>
    );
}

export function BulkBar({ chosen, verbs, onOrder, onClear }) {
    const now = useStore(progress);
    const items = verbs
        .map((verb) => ({ verb, entries: chosen.filter((e) => canDo(verb, e)) }))
        .filter(({ entries }) => entries.length > 0)
        .map(({ verb, entries }) => {
            const order = orderOf(verb, entries);

            return { verb, order, entries, text: entries.length < chosen.length ? `${order.text} (${entries.length})` : order.text };
        });

    if (now === null && chosen.length === 0) return null;
    return (
        <div class="editor-bar bulk-bar" role="region" aria-label="Chosen messages">
            {now !== null ? (
                <Progress now={now} />
            ) : (
                <>
                    <span class="bulk-count num" role="status">
                        {number(chosen.length)} chosen
                    </span>
                    <Button kind="quiet" onClick={onClear}>
                        Choose none
                    </Button>
                    <span class="bulk-gap" />
                    <span class="bulk-verbs">
                        {items.map(({ verb, order, entries, text }) => (
                            <Button key={verb} kind={order.isDanger ? 'danger' : 'plain'} icon={order.icon} onClick={() => onOrder(verb, entries)}>
                                {text}
                            </Button>
                        ))}
                    </span>
                    <Menu class="bulk-menu" label="Do" kind="primary" items={items.map(({ verb, order, entries, text }) => ({ text, icon: order.icon, isDanger: order.isDanger, onPick: () => onOrder(verb, entries) }))}>
                        Do…
                    </Menu>
                </>
            )}
        </div>
    );
}
