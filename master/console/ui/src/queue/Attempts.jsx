/* The decision record: each attempt, the servers that it tried in their order, what they said, and where
 * the time went. */
import { milliseconds, visible } from '../app/format.js';
import { Dot } from '../parts/Health.jsx';
import { CheckIcon, CloseIcon, MinusIcon } from '../parts/icons.jsx';
import { Time } from '../parts/Time.jsx';

const outcomes = {
    delivered: ['good', 'Delivered'],
    scanned: ['good', 'Scanned'],
    uploaded: ['good', 'Uploaded'],
    deferred: ['warn', 'Deferred'],
    quarantined: ['bad', 'Quarantined'],
    failed: ['bad', 'Failed'],
};

const stages = { scan: 'Scan', upload: 'Upload' };

const ways = {
    hit: 'idle connection used again',
    handed_over: 'connection taken over from another delivery',
    miss: 'fresh connection, none was idle',
    miss_off: 'fresh connection, pooling is off',
    miss_stale: 'fresh connection, the idle one was dead',
};

const parts = {
    lookup_ms: 'look-up',
    wait_ms: 'wait',
    connect_ms: 'connect',
    handshake_ms: 'handshake',
    envelope_ms: 'envelope',
    data_ms: 'content',
};

const GOOD = ['delivered', 'done'];

function markOf(result) {
    if (GOOD.includes(result)) return ['', CheckIcon];
    return /^(passed|put last|tried before)/.test(result) ? ['step-not-tested', MinusIcon] : ['step-failed', CloseIcon];
}

function remarksOf(step) {
    const times = Object.entries(parts)
        .filter(([name]) => step[name])
        .map(([name, text]) => `${text} ${milliseconds(step[name])}`);

    return [step.pool && (ways[step.pool] ?? step.pool), step.tls && `TLS: ${visible(step.tls)}`, times.join(', ')].filter(Boolean);
}

function Server({ step }) {
    const [kind, Mark] = markOf(step.result ?? '');

    return (
        <li class={`tried ${kind}`}>
            <span class="step-mark">
                <Mark />
            </span>
            <span class="tried-head">
                <span class="mono">{visible(step.server ?? '–')}</span>
                <span class="tried-result">{step.result}</span>
            </span>
            <span class="step-ms num">{step.ms === undefined ? '' : milliseconds(step.ms)}</span>
            {step.text && <bdi class="tried-text">{visible(step.text)}</bdi>}
            {remarksOf(step).map((text) => (
                <span key={text} class="tried-remark">
                    {text}
                </span>
            ))}
        </li>
    );
}

function Attempt({ attempt, isOpen }) {
    const [tone, text] = outcomes[attempt.outcome] ?? ['off', attempt.outcome];
    const what = stages[attempt.stage] ?? 'Delivery';

    return (
        <details class="attempt" open={isOpen}>
            <summary>
                <span class="attempt-name">
                    {what}, attempt <span class="num">{attempt.number}</span>
                </span>
                <Dot tone={tone}>{text}</Dot>
                <span class="soft">
                    <Time at={attempt.time} />, took <span class="num">{milliseconds(attempt.ms ?? 0)}</span>
                </span>
            </summary>
            {attempt.trial && <p class="soft">A trial: no server of the profile took mail, and this was to show whether this one does.</p>}
            <ol class="tried-list">
                {(attempt.tried ?? []).map((step, i) => (
                    <Server key={i} step={step} />
                ))}
            </ol>
        </details>
    );
}

/* The latest first; it stands open. */
export function Attempts({ attempts }) {
    const list = [...attempts].reverse();

    return (
        <div class="attempts">
            {list.map((attempt, i) => (
                <Attempt key={`${attempt.stage}.${attempt.number}.${attempt.time}`} attempt={attempt} isOpen={i === 0} />
            ))}
        </div>
    );
}
