/* Who changed what, and when: the newest first, older ones on demand. */
import { useState } from 'preact/hooks';

import { count, exactTime, sentence, timeZone, upper } from '../app/format.js';
import { setQuery, useQuery } from '../app/router.jsx';
import { matching, whoOf } from '../audit/entries.js';
import { useAudit } from '../audit/use_audit.js';
import { Button } from '../parts/Button.jsx';
import { AuditIcon, SearchIcon } from '../parts/icons.jsx';
import { Banner, Empty, LiveState, Page, Skeleton } from '../parts/Page.jsx';
import { Table } from '../parts/Table.jsx';
import { Time } from '../parts/Time.jsx';

const SHOWN = 100;
const SEARCHED = 1000;

function Who({ entry }) {
    const { name, kind } = whoOf(entry);

    return (
        <div class="two-lines">
            <span>{name}</span>
            {kind && <span class="soft cell-roomy">{kind}</span>}
        </div>
    );
}

const columns = [
    { title: 'What', isMain: true, class: 'audit-what', cell: (e) => <strong>{upper(e.what)}</strong> },
    { title: 'Of what', class: 'audit-object', cell: (e) => e.object || <span class="soft">–</span> },
    { title: 'Details', cell: (e) => e.detail || <span class="soft">–</span> },
    { title: 'Who', class: 'audit-who', cell: (e) => <Who entry={e} /> },
    { title: 'When', class: 'audit-when', cell: (e) => <Time at={e.time} exact /> },
];

/* How far back it was looked, and the way further. */
function Older({ audit, found, filter, shown, setShown }) {
    const { entries, isEnd, isBusy, readOlder } = audit;
    const hasMore = found.length > shown;
    const searched = `${count(found.length, 'entry', 'entries')} of ${count(entries.length, 'that was looked through', 'that were looked through')}, back to ${exactTime(entries.at(-1).time)}.`;
    const text = isEnd && !hasMore ? (filter ? `${searched} There is nothing older.` : 'That is all there is.') : filter ? searched : `${count(Math.min(found.length, shown), 'entry', 'entries')} shown.`;

    function more() {
        setShown(shown + SHOWN);
        if (!hasMore) readOlder(filter ? SEARCHED : SHOWN);
    }

    return (
        <div class="pager">
            <span class="pager-text num" role="status">
                {text}
            </span>
            {(hasMore || !isEnd) && (
                <Button busy={isBusy} onClick={more}>
                    {filter && !hasMore ? 'Look further back' : 'Show older'}
                </Button>
            )}
        </div>
    );
}

export function Audit() {
    const audit = useAudit();
    const { filter = '' } = useQuery();
    const [shown, setShown] = useState(SHOWN);
    const { view, entries, problem } = audit;
    const found = matching(entries ?? [], filter);

    return (
        <Page title="Audit log" text={`Who changed what, and when (by the clock of ${timeZone()}). Every change is stored together with its entry, and no entry can be changed here.`}>
            <LiveState view={view} />
            {entries === null && !view.error && <Skeleton />}
            {entries?.length === 0 && (
                <Empty icon={AuditIcon} title="Nothing was changed yet">
                    <p>Each change of profiles, rules, settings, accounts and messages is listed here with its author.</p>
                </Empty>
            )}
            {entries?.length > 0 && (
                <>
                    <input type="search" class="filter" aria-label="Filter" placeholder="Filter: name, account, what was done" value={filter} onInput={(event) => setQuery({ filter: event.currentTarget.value })} />
                    {found.length > 0 ? (
                        <Table label="Audit log" columns={columns} rows={found.slice(0, shown)} rowKey={(e) => e.number} />
                    ) : (
                        <Empty icon={SearchIcon} title="Nothing of the kind so far">
                            <p>All words must be found in an entry. Older entries may hold them.</p>
                        </Empty>
                    )}
                    <Older audit={audit} found={found} filter={filter} shown={shown} setShown={setShown} />
                </>
            )}
            {problem && (
                <Banner tone="bad" title="Older entries could not be read">
                    <p>{sentence(problem)}</p>
                </Banner>
            )}
        </Page>
    );
}
