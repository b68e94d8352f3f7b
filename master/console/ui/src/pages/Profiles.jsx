/* All server profiles: their servers with health, and which rules use them. */
import { useState } from 'preact/hooks';

import { useLoad, usePoll } from '../app/poll.js';
import { Link } from '../app/router.jsx';
import { useCanChange } from '../app/session.js';
import { Button } from '../parts/Button.jsx';
import { Dot, Health, healthOf, reasonOf } from '../parts/Health.jsx';
import { PlusIcon, ServersIcon } from '../parts/icons.jsx';
import { Banner, Empty, LiveState, Page, Skeleton } from '../parts/Page.jsx';
import { Table } from '../parts/Table.jsx';
import { isInClear } from '../profiles/draft.js';
import { typeNames } from '../profiles/fields.js';
import { ServerMenu } from '../profiles/ServerMenu.jsx';
import { healthsOf, rulesOf } from '../profiles/users.js';

const SHOWN_PROFILES = 100;
const SHOWN_SERVERS = 6;
const FILTER_FROM = 8;

function Name({ profile }) {
    return (
        <div class="profile-name">
            <Link to={`/profiles/${profile.id}`}>{profile.name}</Link>
            <span class="soft">{typeNames[profile.type]}</span>
            {profile.incomplete && <span class="tag tag-bad">A secret is missing: mail waits</span>}
            {isInClear(profile) && <span class="tag tag-warn">Credentials without TLS</span>}
        </div>
    );
}

function Servers({ profile, servers, canChange, onOrder }) {
    const healths = healthsOf(profile, servers);
    const rest = healths.slice(SHOWN_SERVERS);
    const ill = rest.filter((server) => server && healthOf(server).tone !== 'good').length;

    return (
        <ul class="profile-servers">
            {profile.servers.slice(0, SHOWN_SERVERS).map((uri, i) => (
                <li key={uri}>
                    <span class="mono">{uri}</span>
                    <Health server={healths[i]} />
                    {canChange && healths[i] && <ServerMenu server={healths[i]} size="small" onDone={onOrder} />}
                    {reasonOf(healths[i]) && <span class="health-reason">{reasonOf(healths[i])}</span>}
                </li>
            ))}
            {rest.length > 0 && (
                <li>
                    <Link to={`/profiles/${profile.id}`}>and {rest.length} more</Link>
                    {ill > 0 && <Dot tone="warn">{ill} of them not up</Dot>}
                </li>
            )}
        </ul>
    );
}

function Users({ profile, rules }) {
    const own = rulesOf(profile, rules);

    if (own.length === 0) return <span class="soft">No rule</span>;
    return (
        <ul class="profile-users">
            {own.slice(0, 5).map((rule) => (
                <li key={rule.id}>
                    <Link to={`/rules/${rule.id}`}>{rule.name}</Link>
                    {!rule.enabled && <span class="soft"> (off)</span>}
                </li>
            ))}
            {own.length > 5 && <li class="soft">and {own.length - 5} more</li>}
        </ul>
    );
}

function FirstProfile({ canChange }) {
    return (
        <Empty
            icon={ServersIcon}
            title="No server profile yet"
            actions={
                canChange && (
                    <Button kind="primary" icon={PlusIcon} to="/profiles/new">
                        Make the first profile
                    </Button>
                )
            }
        >
            <p>A server profile names one or more servers that do the same job, in the order in which they are used. Mail goes to the next one when a server does not answer.</p>
            <p>Begin with the mail servers that your mail shall be relayed to. Then a security rule says which mail goes there.</p>
        </Empty>
    );
}

function filtered(profiles, text) {
    const wanted = text.trim().toLowerCase();

    return wanted === '' ? profiles : profiles.filter((p) => p.name.toLowerCase().includes(wanted) || p.servers.some((s) => s.includes(wanted)));
}

export function Profiles() {
    const list = usePoll('/profiles', { every: 5000 });
    const health = usePoll('/servers');
    const rules = useLoad('/rules');
    const canChange = useCanChange();
    const [filter, setFilter] = useState('');
    const [shown, setShown] = useState(SHOWN_PROFILES);
    const profiles = list.data?.profiles ?? [];
    const servers = health.data?.servers ?? [];
    const found = filtered(profiles, filter);

    const columns = [
        { title: 'Profile', isMain: true, width: '24%', cell: (p) => <Name profile={p} /> },
        { title: 'Servers', cell: (p) => <Servers profile={p} servers={servers} canChange={canChange} onOrder={health.refresh} /> },
        { title: 'Used by', width: '16%', cell: (p) => <Users profile={p} rules={rules.data?.rules ?? []} /> },
    ];

    return (
        <Page
            title="Server profiles"
            text="Servers that do one job together: relaying mail, scanning it, or taking its attachments."
            actions={
                canChange &&
                profiles.length > 0 && (
                    <Button kind="primary" icon={PlusIcon} to="/profiles/new">
                        New profile
                    </Button>
                )
            }
        >
            <LiveState view={list} />
            {profiles.length > 0 && rules.data?.rules.length === 0 && (
                <Banner tone="info" title="No mail goes through these servers yet" actions={<Button to="/rules">To the rules</Button>}>
                    <p>Until a security rule says which mail goes where, the gateway refuses all of it.</p>
                </Banner>
            )}
            {list.data === null && !list.error && <Skeleton />}
            {list.data !== null && profiles.length === 0 && <FirstProfile canChange={canChange} />}
            {profiles.length >= FILTER_FROM && (
                <input type="search" class="filter" aria-label="Filter by name or server" placeholder="Filter by name or server" value={filter} onInput={(event) => setFilter(event.currentTarget.value)} />
            )}
            {profiles.length > 0 && <Table label="Server profiles" columns={columns} rows={found.slice(0, shown)} rowKey={(p) => p.id} to={(p) => `/profiles/${p.id}`} />}
            {profiles.length > 0 && found.length === 0 && <p class="soft">No profile and no server has “{filter}” in its name.</p>}
            {found.length > shown && (
                <div>
                    <Button onClick={() => setShown(shown + SHOWN_PROFILES)}>
                        Show more: {shown} of {found.length}
                    </Button>
                </div>
            )}
        </Page>
    );
}
