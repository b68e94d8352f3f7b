/* Every server with its health, what is under way there, and its pool. */
import { number, percent } from '../app/format.js';
import { Link } from '../app/router.jsx';
import { Bar } from '../parts/Bar.jsx';
import { Health, healthOf, reasonOf } from '../parts/Health.jsx';
import { Skeleton } from '../parts/Page.jsx';
import { Table } from '../parts/Table.jsx';
import { titleOf } from './series.js';

const SHOWN = 12;
const RANK = { bad: 0, warn: 1, off: 2, good: 3 };

/* Those that are not well come first, when there is not room for all; else in their own order. */
export function chosen(servers) {
    if (servers.length <= SHOWN) return servers;
    return [...servers].sort((a, b) => RANK[healthOf(a).tone] - RANK[healthOf(b).tone]).slice(0, SHOWN);
}

function Where({ server, profile }) {
    return (
        <div class="dash-server">
            {profile ? <Link to={`/profiles/${profile.id}`}>{server.profile}</Link> : <span>{server.profile}</span>}
            <span class="mono">{server.server}</span>
            {reasonOf(server) && <span class="health-reason">{reasonOf(server)}</span>}
        </div>
    );
}

function Occupancy({ pool }) {
    if (!pool || pool.open === undefined) return <span class="soft">–</span>;
    const share = pool.using > 0 ? pool.open / pool.using : 0;

    return (
        <span class="occupancy">
            <Bar share={share} />
            <span>
                {number(pool.open)}
                <span class="soft"> of {pool.using > 0 ? number(pool.using) : 'any'}</span>
                {pool.size > 0 && <span class="soft">, {number(pool.idle)} idle</span>}
            </span>
        </span>
    );
}

/* Of all deliveries since the start, those that needed no new connection. */
function HitRate({ pool }) {
    if (!pool || pool.open === undefined || !/^smtp/.test(pool.server)) return <span class="soft">–</span>;
    if (pool.size === 0) return <span class="soft">Off</span>;
    return <span>{percent(pool.handshakes_saved, pool.handshakes_saved + pool.misses + pool.misses_off)}</span>;
}

export function Servers({ servers, pools, profiles }) {
    const poolOf = (server) => pools.find((p) => p.profile === server.profile && p.server === server.server);
    const rows = servers && chosen(servers);
    const columns = [
        { title: 'Server', isMain: true, cell: (s) => <Where server={s} profile={profiles.find((p) => p.name === s.profile)} /> },
        { title: 'State', width: '9rem', cell: (s) => <Health server={s} /> },
        { title: titleOf.in_flight, width: '6rem', isFigure: true, class: 'cell-roomy', cell: (s) => number(s.in_flight) },
        { title: titleOf.connections, width: '20%', class: 'num', cell: (s) => <Occupancy pool={poolOf(s)} /> },
        { title: titleOf.reused, width: '5rem', isFigure: true, cell: (s) => <HitRate pool={poolOf(s)} /> },
    ];

    return (
        <section class="dash-part" aria-labelledby="dash-servers">
            <div class="dash-head">
                <h2 id="dash-servers">Servers</h2>
                <Link to="/profiles">{rows && servers.length > rows.length ? `All ${servers.length}` : 'Server profiles'}</Link>
            </div>
            {rows === null ? <Skeleton lines={4} /> : <Table label="Servers" columns={columns} rows={rows} rowKey={(s) => `${s.profile}\n${s.server}`} />}
        </section>
    );
}
