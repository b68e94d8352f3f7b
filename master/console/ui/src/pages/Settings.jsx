/* What belongs to no profile and no rule, and what the configuration file says. */
import { useEffect, useState } from 'preact/hooks';

import { get, request } from '../app/api.js';
import { sentence } from '../app/format.js';
import { useLoad, usePoll } from '../app/poll.js';
import { useLeaveGuard } from '../app/router.jsx';
import { useCanChange } from '../app/session.js';
import { Button } from '../parts/Button.jsx';
import { Conflict } from '../parts/Conflict.jsx';
import { ask } from '../parts/Dialog.jsx';
import { SendIcon } from '../parts/icons.jsx';
import { Banner, LiveState, Page, Skeleton } from '../parts/Page.jsx';
import { toast } from '../parts/Toast.jsx';
import { draftOf, inputOf, isSame } from '../settings/draft.js';
import { Facts } from '../settings/Facts.jsx';
import { groups } from '../settings/fields.js';
import { Group } from '../settings/Group.jsx';
import { Maintenance } from '../settings/Maintenance.jsx';
import { differences, mergedDraft } from '../settings/merge.js';

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

/* Who saved them, if the audit log still says so. */
async function lastChange() {
    try {
        return (await get('/audit?limit=100')).entries.find((e) => e.what?.startsWith('settings')) ?? null;
    } catch {
        return null;
    }
}

function Form({ initial, profiles, canChange, children }) {
    const [stored, setStored] = useState(initial);
    const [draft, setDraft] = useState(() => draftOf(initial));
    const [problem, setProblem] = useState(null);
    const [conflict, setConflict] = useState(null);
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
        setConflict(null);
    }

    async function save(chosen, version) {
        setBusy(true);
        setConflict(null);
        try {
            show((await request('PUT', '/settings', { body: inputOf(chosen), version })).data);
            toast('The settings are saved.');
        } catch (error) {
            setProblem(error);
            if (error.code === 'stale') await meetConflict(chosen).catch(setProblem);
        }
        setBusy(false);
    }

    async function meetConflict(mine) {
        const theirs = await get('/settings');

        setProblem(null);
        setConflict({ theirs, mine, rows: differences(stored, mine, theirs), audit: await lastChange() });
    }

    function resolve(rows) {
        const merged = mergedDraft(conflict.mine, conflict.theirs, rows);

        setStored(conflict.theirs);
        setDraft(merged);
        save(merged, conflict.theirs.version);
    }

    return (
        <>
            {problem && problem.errors.length === 0 && (
                <Banner tone="bad" title="The settings were not saved">
                    <p>{sentence(problem)}</p>
                </Banner>
            )}
            {conflict && (
                <Conflict
                    what="page"
                    began={stored.version}
                    now={conflict.theirs.version}
                    audit={conflict.audit}
                    rows={conflict.rows}
                    same="Both say the same."
                    saveText="Save what is chosen"
                    onSave={resolve}
                    onDiscard={() => show(conflict.theirs)}
                    onClose={() => setConflict(null)}
                />
            )}
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
                    <Button kind="primary" busy={isBusy} disabled={!isDirty} onClick={() => save(draft, stored.version)}>
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
