/* How the last test or save went: what the gateway said, and the ladder of each server, live. */
import { useEffect, useRef } from 'preact/hooks';

import { count, sentence, upper } from '../app/format.js';
import { Button } from '../parts/Button.jsx';
import { Banner } from '../parts/Page.jsx';
import { failedStep, stepName } from './ladder.js';
import { Ladder } from './Ladder.jsx';

const TOLD_MAX = 3;

function failures(ladder) {
    return (ladder?.servers ?? []).filter((s) => s.state === 'failed');
}

function howMany(ladder) {
    const all = ladder?.servers.length ?? 0;

    return all > 1 ? `${failures(ladder).length} of ${all} servers failed the test` : 'the server failed the test';
}

function FailedText({ ladder }) {
    const failed = failures(ladder);

    return (
        <>
            {failed.slice(0, TOLD_MAX).map((entry) => {
                const step = failedStep(entry);

                return (
                    <p key={entry.server}>
                        <code>{entry.server}</code>: {step ? `${stepName(step.step)} failed` : 'gave no result'}
                        {step?.text ? ` – ${step.text}` : ''}
                    </p>
                );
            })}
            {failed.length > TOLD_MAX && <p>And {failed.length - TOLD_MAX} more; all of them are below.</p>}
        </>
    );
}

function SkipButton({ onSkip }) {
    return (
        <div>
            <Button onClick={onSkip}>Save untested…</Button>
        </div>
    );
}

function Refused({ run, isNew, onSkip }) {
    const { problem, what, ladder } = run;

    if (problem.code === 'invalid')
        return (
            <Banner tone="bad" title={what === 'save' ? 'Not saved' : 'Not tested'}>
                <p>
                    {count(problem.errors.length, 'field needs', 'fields need')} another look; what is wrong stands beside {problem.errors.length === 1 ? 'it' : 'each'}.
                </p>
            </Banner>
        );
    if (problem.code === 'test_failed')
        return (
            <Banner tone="bad" title={what === 'save' ? `Not saved: ${howMany(ladder)}` : upper(howMany(ladder))}>
                <FailedText ladder={ladder} />
                {what === 'save' && <p>{isNew ? 'Nothing was stored.' : 'What was stored before still counts.'}</p>}
                {what === 'save' && <SkipButton onSkip={onSkip} />}
            </Banner>
        );
    if (problem.code === 'stale')
        return (
            <Banner tone="bad" title="Not saved: somebody was quicker">
                <p>This profile was changed while you edited it.</p>
            </Banner>
        );
    return (
        <Banner tone="bad" title={what === 'save' ? 'Not saved' : 'Not tested'}>
            <p>{sentence(problem)}</p>
            {what === 'save' && problem.code === 'test_not_run' && <SkipButton onSkip={onSkip} />}
        </Banner>
    );
}

function Outcome({ run, isNew, isOfOther, isUnused, onSkip }) {
    if (!run.isOver)
        return (
            <Banner tone="info" title={run.what === 'save' ? 'Testing, then saving' : 'Testing'} role="status">
                <p>Every server is asked all that a delivery would need. No mail is sent.</p>
            </Banner>
        );
    if (run.problem) return <Refused run={run} isNew={isNew} onSkip={onSkip} />;
    if (run.what === 'save')
        return (
            <Banner tone="good" title={run.ladder ? 'Tested and saved' : 'Saved without a test'} role="status">
                <p>{isUnused ? 'No rule uses this profile yet: mail goes there once one does.' : 'The next delivery uses it.'}</p>
                {isUnused && (
                    <div>
                        <Button to="/rules">To the rules</Button>
                    </div>
                )}
            </Banner>
        );
    return (
        <Banner tone="good" title="All servers passed" role="status">
            <p>{isOfOther ? 'Of what was in the form then; it has changed since.' : 'Nothing was saved.'}</p>
        </Banner>
    );
}

export function TestPanel({ run, isNew, isOfOther, isUnused, onSkip }) {
    const panel = useRef(null);

    // Where the panel is below the form it comes into sight when there is news in it.
    useEffect(() => {
        const top = panel.current?.getBoundingClientRect().top ?? 0;

        if (run && run.problem?.code !== 'invalid' && (top < 0 || top > window.innerHeight / 2)) panel.current.scrollIntoView();
    }, [run?.isOver, run?.of]);

    if (!run)
        return (
            <div class="test-panel test-panel-idle">
                <h2>Connection test</h2>
                <p class="soft">
                    Saving tests every server first, step by step, and stores the profile only if all pass. A test alone stores nothing. No mail is sent by either.
                </p>
            </div>
        );
    return (
        <div class="test-panel" ref={panel}>
            <h2>Connection test</h2>
            <Outcome run={run} isNew={isNew} isOfOther={isOfOther} isUnused={isUnused} onSkip={onSkip} />
            {run.ladder && run.ladder.servers.length > 0 && <Ladder ladder={run.ladder} />}
        </div>
    );
}
