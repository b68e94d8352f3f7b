/* The two charts, and the same figures as a table. */
import { useMemo, useState } from 'preact/hooks';

import { clockTime, number } from '../app/format.js';
import { Button } from '../parts/Button.jsx';
import { Chart } from '../parts/Chart.jsx';
import { Table } from '../parts/Table.jsx';
import { mailLines, mailSummary, queueLines, queueSummary, seriesHelp, wholeMinutes } from './series.js';

function columnsOf({ series }) {
    return [
        { title: 'Minute', isMain: true, cell: (row) => <span class="num">{clockTime(row.time * 1000)}</span> },
        ...seriesHelp.map(([name, title]) => ({ title, isFigure: true, cell: (row) => number(series[name][row.at]) })),
        { title: 'Queue', isFigure: true, cell: (row) => number(series.queue_length[row.at]) },
    ];
}

function Minutes({ whole }) {
    const rows = whole.time.map((time, at) => ({ time, at })).reverse();

    return (
        <div class="card minutes" id="minutes" tabindex={0} role="region" aria-label="Mail per minute, as a table">
            <Table label="Mail per minute, newest first" columns={columnsOf(whole)} rows={rows} rowKey={(row) => row.time} />
        </div>
    );
}

const withValues = (lines, series) => lines.map((line) => ({ ...line, values: series[line.name] }));

const nothingYet = { time: [], series: Object.fromEntries([...seriesHelp.map(([name]) => name), 'queue_length'].map((name) => [name, []])) };

export function Traffic({ stats }) {
    const [isTable, setTable] = useState(false);
    const none = stats && stats.time.length < 2 ? 'The first minute is not over yet.' : null;
    const whole = useMemo(() => (stats ? wholeMinutes(stats) : nothingYet), [stats]);

    return (
        <>
            <section class="card dash-card dash-mail" aria-labelledby="dash-mail">
                <div class="dash-head">
                    <h2 id="dash-mail">Mail per minute</h2>
                    <Button size="small" kind="quiet" aria-expanded={isTable} aria-controls="minutes" onClick={() => setTable(!isTable)}>
                        {isTable ? 'Hide the table' : 'As a table'}
                    </Button>
                </div>
                <Chart label="Mail per minute" summary={mailSummary(whole)} none={none} time={whole.time} lines={withValues(mailLines, whole.series)} />
            </section>
            {isTable && <Minutes whole={whole} />}
            <section class="card dash-card dash-queue" aria-labelledby="dash-queue">
                <div class="dash-head">
                    <h2 id="dash-queue">Length of the queue</h2>
                </div>
                <Chart class="chart-low" label="Length of the queue" summary={queueSummary(whole)} none={none} time={whole.time} lines={withValues(queueLines, whole.series)} />
            </section>
        </>
    );
}
