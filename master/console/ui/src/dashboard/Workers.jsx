/* The processes that do the work: load, restarts, and whether each knows the newest configuration. */
import { number } from '../app/format.js';
import { Bar } from '../parts/Bar.jsx';
import { Dot } from '../parts/Health.jsx';
import { Skeleton } from '../parts/Page.jsx';
import { Table } from '../parts/Table.jsx';

const JOBS_MAX = 512; // as the gateway gives to one worker

const states = {
    running: ['good', 'Running'],
    starting: ['busy', 'Starting'],
    draining: ['warn', 'Ending'],
    down: ['bad', 'Down'],
};

function State({ worker }) {
    const [tone, text] = worker.disk_hangs ? ['warn', 'Disk is slow'] : (states[worker.state] ?? ['off', worker.state]);

    return <Dot tone={tone}>{text}</Dot>;
}

function Load({ worker }) {
    return (
        <span class="occupancy">
            <Bar share={(worker.cpu_percent ?? 0) / 100} />
            <span>
                {number(worker.cpu_percent ?? null)} %<span class="soft">, {number(worker.jobs ?? null)} of {JOBS_MAX} jobs</span>
            </span>
        </span>
    );
}

function Generation({ worker }) {
    if (worker.state !== 'running') return <span class="soft">–</span>;
    if (worker.behind.length === 0) return <Dot tone="good">Newest</Dot>;
    return (
        <Dot tone="busy" title={worker.behind.join(', ')}>
            Behind: {worker.behind.slice(0, 3).join(', ')}
            {worker.behind.length > 3 && ` and ${worker.behind.length - 3} more`}
        </Dot>
    );
}

const columns = [
    { title: 'Worker', isMain: true, cell: (w) => <span class="num worker-name">{`Worker ${w.slot}`}</span> },
    { title: 'State', cell: (w) => <State worker={w} /> },
    { title: 'Process', isFigure: true, class: 'cell-roomy', cell: (w) => w.pid ?? '–' },
    { title: 'Load', class: 'num', cell: (w) => <Load worker={w} /> },
    { title: 'Restarts', isFigure: true, cell: (w) => number(w.restarts ?? null) },
    { title: 'Configuration', cell: (w) => <Generation worker={w} /> },
];

export function Workers({ workers }) {
    return (
        <section class="dash-part" aria-labelledby="dash-workers">
            <div class="dash-head">
                <h2 id="dash-workers">Workers</h2>
            </div>
            {workers === null ? <Skeleton lines={2} /> : <Table label="Workers" columns={columns} rows={workers} rowKey={(w) => w.slot} />}
        </section>
    );
}
