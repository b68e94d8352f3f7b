/* Import: a file is chosen, looked at, tested and taken in, all of it or nothing. */
import { useRef, useState } from 'preact/hooks';

import { stream } from '../app/api.js';
import { count, sentence, upper } from '../app/format.js';
import { Button } from '../parts/Button.jsx';
import { ask, Dialog } from '../parts/Dialog.jsx';
import { Banner } from '../parts/Page.jsx';
import { Ladder } from '../profiles/Ladder.jsx';
import { addImportLine, endedLadders, readFile } from './import.js';

const TOLD_MAX = 20;

function Mistakes({ list, tone, title }) {
    if (!list?.length) return null;
    return (
        <Banner tone={tone} title={title}>
            <ul class="import-mistakes">
                {list.slice(0, TOLD_MAX).map((mistake, i) => (
                    <li key={i}>
                        <code>{mistake.property}</code> {mistake.problem}
                        {mistake.allowed && !mistake.problem.startsWith('is missing') ? `. Allowed: ${mistake.allowed}` : ''}
                    </li>
                ))}
                {list.length > TOLD_MAX && <li>and {list.length - TOLD_MAX} more</li>}
            </ul>
        </Banner>
    );
}

function Done({ data }) {
    return (
        <>
            <Banner tone="good" title="Imported" role="status">
                <p>
                    {count(data.profiles, 'profile')} and {count(data.rules, 'rule')} are stored and in use.
                </p>
            </Banner>
            {data.incomplete?.length > 0 && (
                <Banner tone="warn" title="Secrets are missing">
                    <p>A file holds no secret. Mail of these profiles waits until theirs are entered: {data.incomplete.join(', ')}.</p>
                </Banner>
            )}
            <Mistakes list={data.warnings} tone="warn" title="Worth a look" />
        </>
    );
}

function Refused({ problem }) {
    const failed = problem.code === 'test_failed';

    return (
        <>
            <Banner tone="bad" title="Nothing was imported">
                <p>{failed ? 'Some servers failed the test. Which, and at what step, stands below.' : sentence(problem)}</p>
            </Banner>
            <Mistakes list={problem.errors} tone="bad" title={upper(count(problem.errors.length, 'mistake'))} />
        </>
    );
}

/* run: null before; { isOver, ladders, data, problem } */
function useImport(everything, onImported) {
    const [run, setRun] = useState(null);

    async function start(skipsTest) {
        let ladders = [];

        setRun({ isOver: false, ladders });
        try {
            const { data } = await stream('POST', skipsTest ? '/import?test=skip' : '/import', {
                body: everything,
                onLine(line) {
                    ladders = addImportLine(ladders, line);
                    setRun({ isOver: false, ladders });
                },
            });

            setRun({ isOver: true, ladders: endedLadders(data.tests, ladders), data });
            onImported();
        } catch (problem) {
            setRun({ isOver: true, ladders: endedLadders(problem.tests, ladders), problem });
        }
    }

    return { run, start };
}

function ImportDialog({ name, found, onClose, onImported }) {
    const { run, start } = useImport(found.everything, onImported);
    const isBusy = run !== null && !run.isOver;

    async function skip() {
        const isSure = await ask({
            title: 'Import without a test?',
            text: 'The gateway will use these servers for the next delivery although nobody knows whether they answer. The audit log says that they were not tested.',
            yes: 'Import untested',
            isDanger: true,
        });

        if (isSure) start(true);
    }

    return (
        <Dialog
            size="wide"
            title="Import"
            onClose={onClose}
            actions={
                run?.data ? (
                    <Button kind="primary" onClick={onClose}>
                        Done
                    </Button>
                ) : (
                    <>
                        <Button onClick={onClose}>Cancel</Button>
                        <Button disabled={isBusy} onClick={skip}>
                            Import untested…
                        </Button>
                        <Button kind="primary" busy={isBusy} onClick={() => start(false)}>
                            Test and import
                        </Button>
                    </>
                )
            }
        >
            {!run && (
                <>
                    <p>
                        <code>{name}</code> holds {found.text}.
                    </p>
                    <p class="soft">All servers are tested first. Everything is taken in, or nothing.</p>
                </>
            )}
            {run?.data && <Done data={run.data} />}
            {run?.problem && <Refused problem={run.problem} />}
            {run?.ladders.map(({ profile, ladder }) => (
                <section key={profile} class="import-profile" aria-label={profile}>
                    <h3>{profile}</h3>
                    <Ladder ladder={ladder} />
                </section>
            ))}
        </Dialog>
    );
}

export function Import({ onImported }) {
    const input = useRef(null);
    const [file, setFile] = useState(null); // { name, found }

    async function take(event) {
        const chosen = event.currentTarget.files[0];

        event.currentTarget.value = '';
        if (chosen) setFile({ name: chosen.name, found: readFile(await chosen.text()) });
    }

    return (
        <>
            <input ref={input} type="file" accept="application/json,.json" hidden onChange={take} aria-label="File to import" />
            <Button onClick={() => input.current.click()}>Import…</Button>
            {file?.found.error && (
                <Banner tone="bad" title={`${file.name} cannot be imported`}>
                    <p>{file.found.error}</p>
                </Banner>
            )}
            {file?.found.everything && <ImportDialog name={file.name} found={file.found} onImported={onImported} onClose={() => setFile(null)} />}
        </>
    );
}
