/* The steps of a connection test, server by server, as they come. */
import { milliseconds } from '../app/format.js';
import { Dot } from '../parts/Health.jsx';
import { CheckIcon, CloseIcon, MinusIcon } from '../parts/icons.jsx';
import { Time } from '../parts/Time.jsx';
import { stepName } from './ladder.js';

const FOLDED_FROM = 3;

const results = {
    ok: [CheckIcon, 'passed'],
    failed: [CloseIcon, 'failed'],
    'not tested': [MinusIcon, 'not tested'],
};

function Step({ step }) {
    const [Icon, word] = results[step.result] ?? results['not tested'];

    return (
        <li class={`step step-${word.replace(' ', '-')}`}>
            <span class="step-mark">
                <Icon size={16} />
            </span>
            <span class="step-name">
                {stepName(step.step)}
                <span class="sr-only">: {word}</span>
            </span>
            <span class="step-ms num">{milliseconds(step.ms)}</span>
            {step.text && <span class="step-text">{step.text}</span>}
        </li>
    );
}

function Change({ change }) {
    return (
        <li class="step-change">
            <strong>{stepName(change.step)}</strong> was {change.was === null ? 'not reached' : change.was}
            {change.was_text ? ` (${change.was_text})` : ''} in the test <Time at={change.since} />.
        </li>
    );
}

const states = { running: ['busy', 'Testing'], passed: ['good', 'Passed'], failed: ['bad', 'Failed'] };

function Server({ entry, isOver, isFolded }) {
    const isRunning = entry.state === 'running' && !isOver;
    const [tone, text] = isRunning ? states.running : states[entry.state === 'running' ? 'failed' : entry.state];

    return (
        <details class="ladder-server" open={!isFolded}>
            <summary>
                <h3 class="mono">{entry.server}</h3>
                <Dot tone={tone}>{text}</Dot>
            </summary>
            <ol class="steps">
                {entry.steps.map((step, i) => (
                    <Step key={i} step={step} />
                ))}
            </ol>
            {entry.changes.length > 0 && (
                <div class="step-changes">
                    <p>Not as in the last test:</p>
                    <ul>
                        {entry.changes.map((change, i) => (
                            <Change key={i} change={change} />
                        ))}
                    </ul>
                </div>
            )}
        </details>
    );
}

/* Of many servers those that are well fold up when the test is over. */
export function Ladder({ ladder }) {
    const isLong = ladder.isOver && ladder.servers.length > FOLDED_FROM;

    return (
        <div class="ladder">
            {ladder.servers.map((entry) => (
                <Server key={entry.server} entry={entry} isOver={ladder.isOver} isFolded={isLong && entry.state === 'passed'} />
            ))}
        </div>
    );
}
