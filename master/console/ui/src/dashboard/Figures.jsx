/* The figures that one looks at first. Each keeps its room, whatever stands in it. */
import { number, rough } from '../app/format.js';
import { Link } from '../app/router.jsx';
import { inAll } from './series.js';

function Figure({ title, value, unit, text, to, tone }) {
    return (
        <div class={`card figure ${tone ? `figure-${tone}` : ''}`}>
            <dt>{to ? <Link to={to}>{title}</Link> : title}</dt>
            <dd class="figure-value num">
                {value}
                {unit && <small> {unit}</small>}
            </dd>
            <dd class="figure-text num">{text}</dd>
        </div>
    );
}

/* The last minute that is over; below it what the hour had, as far as it is known. */
function PerMinute({ stats, name, title }) {
    const values = stats?.series[name];
    const last = values?.at(-2);

    return <Figure title={title} value={number(last)} unit="/min" text={values ? inAll(values) : '\u00a0'} />;
}

export function Figures({ stats, status }) {
    const queue = stats?.queue;
    const counts = status?.queue;
    const held = counts ? counts.held + counts.quarantined : 0;

    return (
        <dl class="figures">
            <PerMinute stats={stats} name="in" title="In" />
            <PerMinute stats={stats} name="out" title="Out" />
            <PerMinute stats={stats} name="deferred" title="Deferred" />
            <PerMinute stats={stats} name="refused" title="Refused" />
            <Figure title="Queue" to="/queue" value={number(queue?.length)} text={counts ? `${number(counts.deferred)} deferred` : '\u00a0'} />
            <Figure title="Oldest" to={queue?.oldest ? `/queue/${queue.oldest}` : null} value={queue ? (queue.oldest_age_s === null ? 'None' : rough(queue.oldest_age_s)) : '–'} text={counts ? `${number(held)} held, ${number(counts.failed)} failed` : '\u00a0'} />
        </dl>
    );
}
