/* Making and changing a server profile. */
import { useEffect, useRef, useState } from 'preact/hooks';

import { sentence } from '../app/format.js';
import { useLoad, usePoll } from '../app/poll.js';
import { afterPress } from '../app/press.js';
import { navigate, useLeaveGuard } from '../app/router.jsx';
import { useCanChange } from '../app/session.js';
import { Button } from '../parts/Button.jsx';
import { ask } from '../parts/Dialog.jsx';
import { ChoiceField, TextField } from '../parts/Field.jsx';
import { SearchIcon, TrashIcon } from '../parts/icons.jsx';
import { Menu } from '../parts/Menu.jsx';
import { Banner, Empty, LiveState, Page, Skeleton } from '../parts/Page.jsx';
import { DeleteDialog } from '../profiles/DeleteDialog.jsx';
import { withType } from '../profiles/draft.js';
import { ProfileField, Section } from '../profiles/EditorFields.jsx';
import { fieldsOf, general, labelOf, preference, sections, typeNames, types } from '../profiles/fields.js';
import { LoginFields } from '../profiles/LoginFields.jsx';
import { ProfileConflict } from '../profiles/ProfileConflict.jsx';
import { ServerList } from '../profiles/ServerList.jsx';
import { TestPanel } from '../profiles/TestPanel.jsx';
import { useEditor } from '../profiles/use_editor.js';
import { healthsOf, rulesOf } from '../profiles/users.js';

const BACK = ['/profiles', 'Server profiles'];

/* How the save that made a profile went: shown on the page of the new one. */
let handover = null;

function takeHandover(id) {
    const taken = handover?.id === id ? handover : null;

    handover = null;
    return taken;
}

/* Mistakes that have no field in sight. */
function OtherErrors({ editor, form }) {
    const [list, setList] = useState([]);

    useEffect(() => {
        const paths = Object.keys(editor.errors);
        const isShown = (path) => form.current?.querySelector(`[data-path="${CSS.escape(path)}"]`);

        setList(editor.isTried ? paths.filter((path) => !isShown(path)) : []);
    }, [editor.errors, editor.isTried, editor.draft]);
    if (list.length === 0) return null;
    return (
        <Banner tone="bad">
            {list.flatMap((path) =>
                editor.errors[path].map((error) => (
                    <p key={path + error.problem}>
                        {labelOf(path)}: {error.problem}
                    </p>
                )),
            )}
        </Banner>
    );
}

function General({ editor, isNew, disabled }) {
    const { draft, change, setDraft, errorsOf } = editor;

    return (
        <Section editor={editor} section={{ key: 'general', title: 'General' }}>
            {isNew && (
                <div data-path="type">
                    <ChoiceField label={general.type.label} help={general.type.help} columns options={types} value={draft.type} onInput={(type) => setDraft((now) => withType(now, type))} />
                </div>
            )}
            <div data-path="name">
                <TextField label={general.name.label} value={draft.name} maxlength={200} onInput={(name) => change({ name })} error={errorsOf('name')} disabled={disabled} help={general.name.help} />
            </div>
        </Section>
    );
}

function Servers({ editor, health, onOrder, disabled }) {
    const isOrdered = editor.draft.type !== 'vault';

    return (
        <Section
            editor={editor}
            section={{ key: 'servers', title: isOrdered ? 'Servers' : 'Server', text: isOrdered ? 'In the order in which they are used. Scheme and port may be left out.' : 'Scheme, port and path may be left out.' }}
        >
            <ServerList editor={editor} health={health} onOrder={onOrder} disabled={disabled} />
            {isOrdered && <ProfileField editor={editor} field={preference} disabled={disabled} />}
        </Section>
    );
}

function Form({ editor, isNew, health, onOrder, disabled, form }) {
    const touched = (event) => {
        const place = event.target.closest?.('[data-path]');

        if (place) afterPress(() => editor.touch(place.dataset.path));
    };

    return (
        <form class="stack editor-form" ref={form} autocomplete="off" onFocusOut={touched} onSubmit={(event) => event.preventDefault()}>
            <OtherErrors editor={editor} form={form} />
            <General editor={editor} isNew={isNew} disabled={disabled} />
            <Servers editor={editor} health={health} onOrder={onOrder} disabled={disabled} />
            <Section editor={editor} section={{ key: 'login', title: editor.draft.type === 'smtp' ? 'Log-in' : 'Access' }}>
                <LoginFields editor={editor} disabled={disabled} />
            </Section>
            {sections.map((section) => (
                <Section key={section.key} editor={editor} section={section} disabled={disabled} />
            ))}
        </form>
    );
}

async function confirmSkip(editor) {
    const isSure = await ask({
        title: 'Save without a test?',
        text: 'The gateway will use these servers for the next delivery although nobody knows whether they answer. The audit log says that it was not tested.',
        yes: 'Save untested',
        isDanger: true,
    });

    if (isSure) editor.start('save', { skipsTest: true });
}

function Bar({ editor, isNew, onDelete }) {
    const { isDirty, isBusy, run } = editor;
    const items = [
        { text: 'Save untested…', onPick: () => confirmSkip(editor), disabled: isBusy },
        ...(isNew ? [] : [{ text: 'Discard my changes', onPick: () => editor.discard(), disabled: isBusy || !isDirty }, null, { text: 'Delete…', icon: TrashIcon, isDanger: true, onPick: onDelete, disabled: isBusy }]),
    ];

    return (
        <div class="editor-bar">
            <span class="editor-bar-text soft">{isDirty ? 'Not saved yet' : isNew ? '' : 'Nothing changed'}</span>
            <Menu label="More" kind="plain" items={items} />
            <Button busy={isBusy && run.what === 'test'} disabled={isBusy && run.what !== 'test'} onClick={() => editor.start('test')}>
                Test only
            </Button>
            <Button kind="primary" busy={isBusy && run.what === 'save'} disabled={(isBusy && run.what !== 'save') || (!isNew && !isDirty)} onClick={() => editor.start('save')}>
                Test and save
            </Button>
        </div>
    );
}

/* After a refusal the focus goes to the first field that needs a look. */
function useFocusOnMistake(editor, form) {
    const code = editor.run?.isOver ? editor.run.problem?.code : null;

    useEffect(() => {
        if (code !== 'invalid') return;
        requestAnimationFrame(() => {
            const field = form.current?.querySelector('.has-error :is(input, select, textarea, button), [aria-invalid=true]');

            field?.focus({ preventScroll: true });
            field?.scrollIntoView({ block: 'center' });
        });
    }, [editor.run]);
}

function Editor({ initial, canChange }) {
    const isNew = initial === null;
    const form = useRef(null);
    const [isDeleting, setDeleting] = useState(false);
    const editor = useEditor({
        initial,
        canChange,
        onCreated(profile, ladder) {
            handover = { id: profile.id, ladder };
            navigate(`/profiles/${profile.id}`, { replace: true, force: true });
        },
    });
    const { stored, draft, isDirty, isBusy, run, conflict } = editor;
    const health = usePoll(stored ? '/servers' : null);
    const rules = useLoad(stored ? '/rules' : null);
    const isUnused = rules.data !== null && stored !== null && rulesOf(stored, rules.data.rules).length === 0;
    const own = stored ? healthsOf(stored, health.data?.servers ?? []) : [];
    // Of what has a field of its own the field says so.
    const idle = (stored?.not_in_effect ?? []).filter((path) => !fieldsOf(draft.type).some((f) => f.path === path));
    const disabled = !canChange || (isBusy && run.what === 'save');

    useEffect(() => {
        const made = stored && takeHandover(stored.id);

        if (made) editor.setRun({ what: 'save', of: null, isOver: true, problem: null, ladder: made.ladder });
    }, []);
    useLeaveGuard(isDirty && canChange, () => ask({ title: 'Leave without saving?', text: 'What you changed in this profile is lost then.', yes: 'Leave', no: 'Stay', isDanger: true }));
    useFocusOnMistake(editor, form);

    return (
        <Page title={isNew ? 'New server profile' : stored.name} text={isNew ? null : typeNames[stored.type]} back={BACK}>
            {!canChange && (
                <Banner tone="info">
                    <p>You are a viewer: you see everything here and change nothing.</p>
                </Banner>
            )}
            {stored?.incomplete && (
                <Banner tone="bad" title="A secret is missing" role="note">
                    <p>The profile was imported without one that it needs. Its mail waits until it is entered here.</p>
                </Banner>
            )}
            {idle.length > 0 && (
                <Banner tone="info" title="Stored, but not yet in effect">
                    <p>This version of Postern does not act on: {idle.map(labelOf).join(', ')}.</p>
                </Banner>
            )}
            <div class="editor">
                <Form editor={editor} isNew={isNew} health={own} onOrder={health.refresh} disabled={disabled} form={form} />
                {canChange && (
                    <aside class="editor-side">
                        <TestPanel run={run} isNew={isNew} isUnused={isUnused} isOfOther={run?.of !== null && run?.of !== draft} onSkip={() => confirmSkip(editor)} />
                    </aside>
                )}
            </div>
            {canChange && <Bar editor={editor} isNew={isNew} onDelete={() => setDeleting(true)} />}
            {conflict && <ProfileConflict editor={editor} onSave={(merged, theirs) => editor.resolve(merged, theirs)} />}
            {isDeleting && <DeleteDialog profile={stored} onClose={() => setDeleting(false)} onDeleted={() => navigate('/profiles', { force: true })} />}
        </Page>
    );
}

export function ProfileNew() {
    return <Editor initial={null} canChange />;
}

export function ProfileEdit({ id }) {
    const view = useLoad(`/profiles/${id}`);
    const canChange = useCanChange();

    if (view.error?.status === 404)
        return (
            <Page title="Not found" back={BACK}>
                <Empty icon={SearchIcon} title="There is no such profile">
                    <p>{sentence(view.error)} It may have been deleted.</p>
                </Empty>
            </Page>
        );
    if (view.data === null)
        return (
            <Page title="Server profile" back={BACK}>
                <LiveState view={view} />
                {!view.error && <Skeleton />}
            </Page>
        );
    return <Editor initial={view.data} canChange={canChange} />;
}
