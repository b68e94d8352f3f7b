/* Who is logged in, and from where. */
import { request } from '../app/api.js';
import { Button } from '../parts/Button.jsx';
import { ask } from '../parts/Dialog.jsx';
import { Skeleton } from '../parts/Page.jsx';
import { Table } from '../parts/Table.jsx';
import { Time } from '../parts/Time.jsx';
import { toast } from '../parts/Toast.jsx';
import { roleNames } from './texts.js';

async function end(session, onDone) {
    const isSure = await ask({ title: `Log “${session.account}” out?`, text: `The session from ${session.client} ends at once. What was begun there and not saved is lost.`, yes: 'Log out', isDanger: true });

    if (!isSure) return;
    try {
        await request('DELETE', `/sessions/${session.id}`);
        toast(`The session of “${session.account}” has ended.`);
    } catch (problem) {
        toast(problem, { tone: 'bad' });
    }
    onDone();
}

export function Sessions({ sessions, onDone }) {
    const columns = [
        {
            title: 'Account',
            isMain: true,
            class: 'cell-words',
            cell: (s) => (
                <div class="two-lines">
                    <span>{s.account}</span>
                    <span class="soft">{roleNames[s.role] ?? s.role}</span>
                </div>
            ),
        },
        { title: 'From', cell: (s) => <span class="mono">{s.client}</span> },
        { title: 'Logged in', cell: (s) => <Time at={s.since} /> },
        { title: 'Last used', class: 'cell-roomy', cell: (s) => <Time at={s.last_used} /> },
        { title: 'Ends at the latest', cell: (s) => <Time at={s.ends} /> },
        {
            title: 'Actions',
            hideTitle: true,
            class: 'cell-actions',
            cell: (s) =>
                s.current ? (
                    <span class="tag">This one</span>
                ) : (
                    <Button size="small" aria-label={`Log out ${s.account} from ${s.client}`} onClick={() => end(s, onDone)}>
                        Log out
                    </Button>
                ),
        },
    ];

    return (
        <section class="dash-part" aria-labelledby="sessions">
            <h2 id="sessions">Logged in now</h2>
            {sessions === null ? <Skeleton lines={2} /> : <Table label="Sessions" columns={columns} rows={sessions} rowKey={(s) => s.id} />}
        </section>
    );
}
