/* What belongs to no profile and no rule, and what the configuration file says. */
import { useEffect, useState } from 'preact/hooks';

import { get, request } from '../app/api.js';
import { sentence } from '../app/format.js';
import { useLoad, usePoll } from '../app/poll.js';
import { useLeaveGuard } from '../app/router.jsx';
import { useCanChange } from '../app/session.js';
import { Button } from '../parts/Button.jsx';
import { ask } from '../parts/Dialog.jsx';
import { SendIcon } from '../parts/icons.jsx';
import { Banner, LiveState, Page, Skeleton } from '../parts/Page.jsx';
import { toast } from '../parts/Toast.jsx';
import { draftOf, inputOf, isSame } from '../settings/draft.js';
import { Facts } from '../settings/Facts.jsx';
import { groups } from '../settings/fields.js';
import { Group } from '../settings/Group.jsx';
import { Maintenance } from '../settings/Maintenance.jsx';

function TestAlert({ isStored }) {
    const [isBusy, setBusy] = useState(false);

    async function send() {
        setBusy(true);
        try {
            await request('POST', '/alerts/test');
            toast('A test alert is in the queue.');
        } catch (problem) {
            toast(problem, { tone: 'bad' });
        }
        setBusy(false);
    }

    return (
        <div class="row">
            <Button icon={SendIcon} busy={isBusy} disabled={!isStored} onClick={send}>
                Send a test alert
            </Button>
            {!isStored && <span class="soft">Save first: it goes to whom the stored setting names.</span>}
        </div>
    );
}

function Refusal({ problem, onTheirs, onMine }) {
    if (problem === null || problem.errors.length > 0) return null;
    if (problem.code === 'stale')
        return (
            <Banner
                tone="warn"
                title="Somebody else saved the settings meanwhile"
                role="alert"
                actions={
                    <>
                        <Button onClick={onTheirs}>Show theirs</Button>
                        <Button onClick={onMine}>Save mine over theirs</Button>
                    </>
                }
            >
                <p>Nothing of yours is saved yet. The audit log says who it was.</p>
            </Banner>
        );
    return (
        <Banner tone="bad" title="The settings were not saved">
            <p>{sentence(problem)}</p>
        </Banner>
    );
}

function Form({ initial, profiles, canChange, children }) {
    const [stored, setStored] = useState(initial);
    const [draft, setDraft] = useState(() => draftOf(initial));
    const [problem, setProblem] = useState(null);
    const [isBusy, setBusy] = useState(false);
    const isDirty = !isSame(draft, draftOf(stored));

    useLeaveGuard(isDirty && canChange, () => ask({ title: 'Leave without saving?', text: 'What you changed in the settings is lost then.', yes: 'Leave', no: 'Stay', isDanger: true }));

    // An import changes the settings, too: what is typed stays, and saving says so.
    useEffect(() => {
        if (!isDirty) show(initial);
    }, [initial]);

    function show(settings) {
        setStored(settings);
        setDraft(draftOf(settings));
        setProblem(null);
    }

    async function save(version) {
        setBusy(true);
        try {
            show((await request('PUT', '/settings', { body: inputOf(draft), version })).data);
            toast('The settings are saved.');
        } catch (error) {
            setProblem(error);
        }
        setBusy(false);
    }

    async function withTheirs(use) {
        try {
            use(await get('/settings'));
        } catch (error) {
            setProblem(error);
        }
    }

    return (
        <>
            <Refusal problem={problem} onTheirs={() => withTheirs(show)} onMine={() => withTheirs((theirs) => save(theirs.version))} />
            {groups.map((group) => (
                <Group key={group.key} group={group} draft={draft} onDraft={setDraft} problem={problem} profiles={profiles} disabled={!canChange || isBusy}>
                    {group.key === 'alerts' && canChange && draft.on.alerts && <TestAlert isStored={!isDirty} />}
                </Group>
            ))}
            {children}
            {canChange && (
                <div class="editor-bar">
                    <span class="editor-bar-text soft">{problem?.errors.length > 0 ? 'What is wrong stands beside the fields' : isDirty ? 'Not saved yet' : 'Nothing changed'}</span>
                    <Button disabled={isBusy || !isDirty} onClick={() => show(stored)}>
                        Discard
                    </Button>
                    <Button kind="primary" busy={isBusy} disabled={!isDirty} onClick={() => save(stored.version)}>
                        Save
                    </Button>
                </div>
            )}
        </>
    );
}

export function Settings() {
    const settings = useLoad('/settings');
    const profiles = useLoad('/profiles');
    const status = usePoll('/status', { every: 10000 });
    const canChange = useCanChange();

    return (
        <Page title="Settings" text="What counts for the gateway as a whole.">
            <LiveState view={settings} />
            {settings.data === null && !settings.error && <Skeleton />}
            {settings.data && (
                <Form initial={settings.data} profiles={profiles.data?.profiles ?? []} canChange={canChange}>
                    {status.data?.configuration && <Facts status={status.data} />}
                    <Maintenance onImported={settings.reload} />
                </Form>
            )}
        </Page>
    );
}
