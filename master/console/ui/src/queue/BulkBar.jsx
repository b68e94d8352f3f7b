/* What can be done with those that are chosen; while it is done, how far it is. */
import { number } from '../app/format.js';
import { useStore } from '../app/store.js';
import { Button } from '../parts/Button.jsx';
import { Menu } from '../parts/Menu.jsx';
import { spokenProgress } from './all_texts.js';
import { orderOf, progress } from './orders.js';
import { AllProgress, Progress } from './Progress.jsx';
import { allProgress } from './run_all.js';
import { canDo } from './states.js';

/* { verb, order, text, onPick } of each verb that some of the chosen are in a state for. */
function itemsOf(chosen, verbs, onOrder) {
    return verbs
        .map((verb) => ({ verb, entries: chosen.filter((e) => canDo(verb, e)) }))
        .filter(({ entries }) => entries.length > 0)
        .map(({ verb, entries }) => {
            const order = orderOf(verb, entries);

            return { verb, order, text: entries.length < chosen.length ? `${order.text} (${entries.length})` : order.text, onPick: () => onOrder(verb, entries) };
        });
}

/* The head of the table, with its box for all rows, is not there on phones: the bar has a button for it. */
function Chosen({ text, items, onPage, offer, onClear }) {
    return (
        <>
            <span class="bulk-count num" role="status">
                {text}
            </span>
            {onPage && (
                <Button kind="quiet" class="bulk-page" onClick={onPage}>
                    Choose all on this page
                </Button>
            )}
            {offer && (
                <Button kind="quiet" onClick={offer.onChoose}>
                    Choose all {number(offer.total)} that match
                </Button>
            )}
            <Button kind="quiet" onClick={onClear}>
                Choose none
            </Button>
            <span class="bulk-gap" />
            <span class="bulk-verbs">
                {items.map(({ verb, order, text, onPick }) => (
                    <Button key={verb} kind={order.isDanger ? 'danger' : 'plain'} icon={order.icon} onClick={onPick}>
                        {text}
                    </Button>
                ))}
            </span>
            <Menu class="bulk-menu" label="Do" kind="primary" items={items.map(({ order, text, onPick }) => ({ text, icon: order.icon, isDanger: order.isDanger, onPick }))}>
                Do…
            </Menu>
        </>
    );
}

/* `all`, where there is such a choice: { total, isChosen, isOffered, items, onChoose } of all that the filter
 * fits, and onPage(), which chooses all rows; null when they are. */
export function BulkBar({ chosen, verbs, all, onOrder, onClear }) {
    const now = useStore(progress);
    const allNow = useStore(allProgress);
    const isAll = Boolean(all?.isChosen);

    if (now === null && allNow === null && chosen.length === 0 && !isAll) return null;
    return (
        <div class="editor-bar bulk-bar" role="region" aria-label="Chosen messages">
            <span class="sr-only" role="status">
                {allNow && spokenProgress(allNow)}
            </span>
            {allNow !== null ? (
                <AllProgress now={allNow} />
            ) : now !== null ? (
                <Progress now={now} />
            ) : (
                <Chosen
                    text={isAll ? `All ${number(all.total)} that match chosen` : `${number(chosen.length)} chosen`}
                    items={isAll ? all.items : itemsOf(chosen, verbs, onOrder)}
                    onPage={isAll ? null : all?.onPage}
                    offer={!isAll && all?.isOffered ? all : null}
                    onClear={onClear}
                />
            )}
        </div>
    );
}
