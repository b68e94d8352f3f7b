/* Making and changing a security rule. */
import { useEffect, useRef, useState } from 'preact/hooks';

import { request } from '../app/api.js';
import { sentence } from '../app/format.js';
import { useLoad } from '../app/poll.js';
import { navigate, useLeaveGuard } from '../app/router.jsx';
import { useCanChange } from '../app/session.js';
import { Button } from '../parts/Button.jsx';
import { Card } from '../parts/Card.jsx';
import { Conflict } from '../parts/Conflict.jsx';
import { ask } from '../parts/Dialog.jsx';
import { SearchIcon, TrashIcon } from '../parts/icons.jsx';
import { Menu } from '../parts/Menu.jsx';
import { Banner, Empty, LiveState, Page, Skeleton } from '../parts/Page.jsx';
import { toast } from '../parts/Toast.jsx';
import { differences, draftOf, merged } from '../rules/draft.js';
import { labelOf, sections } from '../rules/fields.js';
import { RuleField } from '../rules/RuleFields.jsx';
import { useRuleEditor } from '../rules/use_editor.js';

const BACK = ['/rules', 'Security rules'];

/* After a refusal the focus goes to the first field that needs a look. */
function useFocusOnMistake(refusals, form) {
    useEffect(() => {
        if (refusals === 0) return;
        requestAnimationFrame(() => {
            const field = form.current?.querySelector('[aria-invalid=true]');

            field?.focus({ preventScroll: true });
            field?.scrollIntoView({ block: 'center' });
        });
    }, [refusals]);
}

function Section({ editor, section, profiles, disabled }) {
    const { draft, errors } = editor;
    const counts = !section.of || draft[section.of] !== '';
    const hasError = section.fields.some((f) => errors[f.path]);

    return (
        <Card key={counts} name={section.key} title={section.title} isFolded={!counts} isOpen={hasError} hint={section.hint}>
            {section.text && <p class="soft">{section.text}</p>}
            <div class="profile-fields">
                {section.fields.map((field) => (
                    <RuleField key={field.path} editor={editor} field={field} profiles={profiles} disabled={disabled} />
                ))}
            </div>
        </Card>
    );
}

/* What was said about something that has no field. */
function OtherErrors({ editor }) {
    const { errors, problem } = editor;
    const known = new Set(sections.flatMap((s) => s.fields.map((f) => f.path)));
    const others = Object.entries(errors).filter(([path]) => !known.has(path));

    if (!problem && others.length === 0) return null;
    return (
        <Banner tone="bad" title={problem?.code === 'invalid' ? 'Not saved: some fields need a look' : 'Not saved'}>
            {problem && problem.errors.length === 0 && <p>{sentence(problem)}</p>}
            {others.flatMap(([path, list]) => list.map((error) => <p key={path + error.problem}>{`${labelOf(path)}: ${error.problem}`}</p>))}
        </Banner>
    );
}

async function remove(stored) {
    const isSure = await ask({
        title: `Delete “${stored.name}”?`,
        text: 'Mail that it has accepted is still delivered its way. New mail is for the rules that are left to decide; what none of them takes is refused.',
        yes: 'Delete',
        isDanger: true,
    });

    if (!isSure) return;
    try {
        await request('DELETE', `/rules/${stored.id}`, { version: stored.version });
        toast(`Rule “${stored.name}” is deleted.`);
        navigate('/rules', { force: true });
    } catch (problem) {
        toast(problem.code === 'stale' ? 'Somebody changed this rule meanwhile. Load the page again before you delete it.' : problem, { tone: 'bad' });
    }
}

function Bar({ editor, isNew }) {
    const { stored, isDirty, isBusy } = editor;

    return (
        <div class="editor-bar">
            <span class="editor-bar-text soft">{isDirty ? 'Not saved yet' : isNew ? '' : 'Nothing changed'}</span>
            {!isNew && (
                <Menu
                    label="More"
                    kind="plain"
                    items={[
                        { text: 'Discard my changes', onPick: editor.undo, disabled: isBusy || !isDirty },
                        null,
                        { text: 'Delete…', icon: TrashIcon, isDanger: true, onPick: () => remove(stored), disabled: isBusy },
                    ]}
                />
            )}
            <Button kind="primary" busy={isBusy} disabled={!isNew && !isDirty} onClick={() => editor.save()}>
                Save
            </Button>
        </div>
    );
}

function RuleConflict({ editor }) {
    const { conflict, stored, base, draft } = editor;
    const theirs = draftOf(conflict.theirs);
    const [rows] = useState(() => differences(base, draft, theirs));

    return (
        <Conflict
            what="rule"
            began={stored.version}
            now={conflict.theirs.version}
            audit={conflict.audit}
            rows={rows}
            same="Both say the same."
            saveText="Save what is chosen"
            onSave={(list) => editor.resolve(merged(draft, theirs, list), conflict.theirs)}
            onDiscard={() => editor.discard(conflict.theirs)}
            onClose={() => editor.setConflict(null)}
        />
    );
}

function Editor({ initial, profiles, canChange }) {
    const isNew = initial === null;
    const form = useRef(null);
    const editor = useRuleEditor({
        initial,
        profiles,
        onSaved({ rule, created }) {
            toast(rule.enabled ? `Rule “${rule.name}” is saved and counts for the next recipient.` : `Rule “${rule.name}” is saved. It is off.`);
            if (created) navigate('/rules', { replace: true, force: true });
        },
    });
    const { stored, isDirty, isBusy, conflict } = editor;

    useLeaveGuard(isDirty && canChange, () => ask({ title: 'Leave without saving?', text: 'What you changed in this rule is lost then.', yes: 'Leave', no: 'Stay', isDanger: true }));
    useFocusOnMistake(editor.refusals, form);

    return (
        <Page title={isNew ? 'New security rule' : stored.name} text={isNew ? 'It goes last in the order; then you can move it.' : null} back={BACK}>
            {!canChange && (
                <Banner tone="info">
                    <p>You are a viewer: you see everything here and change nothing.</p>
                </Banner>
            )}
            <form
                class="stack rule-form"
                ref={form}
                autocomplete="off"
                onSubmit={(event) => {
                    event.preventDefault();
                    editor.save();
                }}
            >
                <OtherErrors editor={editor} />
                {sections.map((section) => (
                    <Section key={section.key} editor={editor} section={section} profiles={profiles} disabled={!canChange || isBusy} />
                ))}
                <button type="submit" class="sr-only" tabindex={-1} aria-hidden="true" />
            </form>
            {canChange && <Bar editor={editor} isNew={isNew} />}
            {conflict && <RuleConflict editor={editor} />}
        </Page>
    );
}

export function RuleNew() {
    const profiles = useLoad('/profiles');

    if (profiles.data === null) return <Loading view={profiles} />;
    return <Editor initial={null} profiles={profiles.data.profiles} canChange />;
}

function Loading({ view }) {
    return (
        <Page title="Security rule" back={BACK}>
            <LiveState view={view} />
            {!view.error && <Skeleton />}
        </Page>
    );
}

export function RuleEdit({ id }) {
    const view = useLoad(`/rules/${id}`);
    const profiles = useLoad('/profiles');
    const canChange = useCanChange();

    if (view.error?.status === 404)
        return (
            <Page title="Not found" back={BACK}>
                <Empty icon={SearchIcon} title="There is no such rule">
                    <p>{sentence(view.error)} It may have been deleted.</p>
                </Empty>
            </Page>
        );
    if (view.data === null || profiles.data === null) return <Loading view={view.error ? view : profiles} />;
    return <Editor initial={view.data} profiles={profiles.data.profiles} canChange={canChange} />;
}
