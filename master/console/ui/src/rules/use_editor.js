/* The state of the rule editor: a draft, what the gateway said of it, and the save that runs. */
import { useMemo, useState } from 'preact/hooks';

import { get, request } from '../app/api.js';
import { draftOf, emptyDraft, inputOf, isSame } from './draft.js';
import { fieldPathOf } from './fields.js';

/* An entry of a list is named by what was typed; what is allowed stands in the field's help. */
function told(finding) {
    const isEntry = /\[\d+\]$/.test(finding.property) && typeof finding.value === 'string';

    return isEntry ? { problem: `“${finding.value}”: ${finding.problem}` } : finding;
}

function groupByField(list) {
    const groups = {};

    for (const finding of list) (groups[fieldPathOf(finding.property)] ??= []).push(told(finding));
    return groups;
}

async function lastChange(rule) {
    try {
        const { entries } = await get('/audit?limit=100');

        return entries.find((e) => e.object === rule.name && e.what?.startsWith('rule')) ?? null;
    } catch {
        return null;
    }
}

/* What a change of one field may mend in another. */
const related = { 'match.recipients': 'allow_open_relay', 'match.clients': 'allow_open_relay' };

export function useRuleEditor({ initial, profiles, onSaved }) {
    const [stored, setStored] = useState(initial);
    const [base, setBase] = useState(() => (initial ? draftOf(initial) : emptyDraft(profiles)));
    const [draft, setDraft] = useState(base);
    const [errors, setErrors] = useState({});
    const [warnings, setWarnings] = useState({});
    const [refusals, setRefusals] = useState(0);
    const [problem, setProblem] = useState(null);
    const [isBusy, setBusy] = useState(false);
    const [conflict, setConflict] = useState(null);
    const isDirty = useMemo(() => !isSame(draft, base), [draft, base]);

    function setValue(path, value) {
        setDraft((now) => ({ ...now, [path]: value }));
        setErrors(({ [path]: _, [related[path]]: __, ...rest }) => rest);
    }

    function restart(rule) {
        setStored(rule);
        setBase(draftOf(rule));
        setDraft(draftOf(rule));
        setErrors({});
        setProblem(null);
    }

    async function fail(error) {
        if (error.code === 'invalid' && error.errors.length > 0) {
            setErrors(groupByField(error.errors));
            setRefusals((n) => n + 1);
        } else if (error.code === 'stale' && stored) {
            const theirs = await get(`/rules/${stored.id}`);

            setConflict({ theirs, audit: await lastChange(theirs) });
            return;
        }
        setProblem(error);
    }

    async function save({ of = draft, over = stored } = {}) {
        if (isBusy) return;
        setBusy(true);
        setProblem(null);
        setConflict(null);
        setWarnings({});
        try {
            const [method, path] = over ? ['PUT', `/rules/${over.id}`] : ['POST', '/rules'];
            const { data } = await request(method, path, { body: { id: over?.id ?? null, ...inputOf(of) }, version: over?.version });

            restart(data.rule);
            setWarnings(groupByField(data.warnings ?? []));
            onSaved(data);
        } catch (error) {
            await fail(error).catch(setProblem);
        }
        setBusy(false);
    }

    /* After a conflict: what was chosen goes over what is stored now. */
    function resolve(chosen, theirs) {
        setStored(theirs);
        setBase(draftOf(theirs));
        setDraft(chosen);
        save({ of: chosen, over: theirs });
    }

    function discard(theirs) {
        setConflict(null);
        setWarnings({});
        restart(theirs);
    }

    /* Back to what was begun with. */
    function undo() {
        setDraft(base);
        setErrors({});
        setProblem(null);
    }

    return { stored, base, draft, setValue, errors, warnings, refusals, problem, isBusy, isDirty, save, conflict, setConflict, resolve, discard, undo };
}
