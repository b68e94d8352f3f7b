/* Who may use this console, and who does. */
import { useState } from 'preact/hooks';

import { AccountDialog } from '../accounts/AccountDialog.jsx';
import { PasswordDialog } from '../accounts/PasswordDialog.jsx';
import { Sessions } from '../accounts/Sessions.jsx';
import { roleNames, sentences } from '../accounts/texts.js';
import { request } from '../app/api.js';
import { count } from '../app/format.js';
import { usePoll } from '../app/poll.js';
import { useSession } from '../app/session.js';
import { Button } from '../parts/Button.jsx';
import { ask } from '../parts/Dialog.jsx';
import { KeyIcon, PlusIcon, SettingsIcon, TrashIcon } from '../parts/icons.jsx';
import { Menu } from '../parts/Menu.jsx';
import { LiveState, Page, Skeleton } from '../parts/Page.jsx';
import { Table } from '../parts/Table.jsx';
import { Time } from '../parts/Time.jsx';
import { toast } from '../parts/Toast.jsx';

const isSame = (a, b) => a.toLowerCase() === b.toLowerCase();

async function remove(account, isOwn, onDone) {
    const isSure = await ask({
        title: `Delete the account “${account.name}”?`,
        text: isOwn ? 'It is your own: you are logged out at once and cannot come back with it.' : 'Its sessions end at once. The audit log keeps what it did.',
        yes: 'Delete',
        isDanger: true,
    });

    if (!isSure) return;
    try {
        await request('DELETE', `/accounts/${account.id}`, { version: account.version });
        toast(`The account “${account.name}” is deleted.`);
    } catch (problem) {
        toast(sentences[problem.code] ?? problem, { tone: 'bad' });
    }
    onDone();
}

function Name({ account, isOwn }) {
    return (
        <span>
            {account.name} {isOwn && <span class="tag">You</span>}
        </span>
    );
}

export function Accounts() {
    const list = usePoll('/accounts', { every: 5000 });
    const sessions = usePoll('/sessions', { every: 5000 });
    const own = useSession().account;
    const [open, setOpen] = useState(null); // { what: 'new' | 'change' | 'password', account }
    const accounts = list.data?.accounts ?? null;
    const close = () => setOpen(null);
    const loggedIn = (account) => (sessions.data?.sessions ?? []).filter((s) => s.account === account.name).length;

    function refresh() {
        list.refresh();
        sessions.refresh();
    }

    function saved(text) {
        toast(text);
        close();
        refresh();
    }

    const itemsOf = (account) => [
        { text: 'Name and role…', icon: SettingsIcon, onPick: () => setOpen({ what: 'change', account }) },
        { text: 'New password…', icon: KeyIcon, onPick: () => setOpen({ what: 'password', account }) },
        null,
        { text: 'Delete…', icon: TrashIcon, isDanger: true, onPick: () => remove(account, isSame(account.name, own), refresh) },
    ];
    const columns = [
        { title: 'Name', isMain: true, cell: (a) => <Name account={a} isOwn={isSame(a.name, own)} /> },
        { title: 'Role', class: 'cell-words', cell: (a) => roleNames[a.role] ?? a.role },
        { title: 'Last log-in', cell: (a) => <Time at={a.last_login} none="Never" /> },
        { title: 'Sessions', class: 'cell-words', cell: (a) => <span class="num">{sessions.data ? count(loggedIn(a), 'session') : '–'}</span> },
        { title: 'Made', class: 'cell-roomy', cell: (a) => <Time at={a.created} exact /> },
        { title: 'Actions', hideTitle: true, class: 'cell-actions', cell: (a) => <Menu label={`Actions for ${a.name}`} size="small" items={itemsOf(a)} /> },
    ];

    return (
        <Page
            title="Accounts"
            text="Who may use this console. On the machine itself posternctl needs no account."
            actions={
                <Button kind="primary" icon={PlusIcon} onClick={() => setOpen({ what: 'new' })}>
                    New account
                </Button>
            }
        >
            <LiveState view={list} />
            {accounts === null && !list.error && <Skeleton lines={3} />}
            {accounts !== null && (
                <div class="dash-part">
                    <Table label="Accounts" columns={columns} rows={accounts} rowKey={(a) => a.id} />
                </div>
            )}
            <Sessions sessions={sessions.data?.sessions ?? null} onDone={refresh} />
            {open?.what === 'new' && <AccountDialog onClose={close} onSaved={(name) => saved(`The account “${name}” is made.`)} />}
            {open?.what === 'change' && <AccountDialog account={open.account} onClose={close} onSaved={(name) => saved(`The account “${name}” is saved.`)} />}
            {open?.what === 'password' && <PasswordDialog account={open.account} onClose={close} onSaved={() => saved(`“${open.account.name}” has a new password.`)} />}
        </Page>
    );
}
