/* The state of the editor: a draft, what the gateway thinks of it, and the test or save that runs.
 *
 * run: { what: 'test' | 'save', of: the draft it was of, ladder, isOver, problem, savedVersion }
 * conflict: { theirs, audit } when somebody saved meanwhile. */
import { useMemo, useState } from 'preact/hooks';

import { get, stream } from '../app/api.js';
import { useCheck } from './check.js';
import { draftOf, emptyDraft, inputOf, isSame } from './draft.js';
import { addLine, beginLadder, endLadder } from './ladder.js';

function groupByProperty(list) {
    const groups = {};

    for (const finding of list) (groups[finding.property] ??= []).push(finding);
    return groups;
}

function pathOf(what, stored, skipsTest) {
    if (what === 'test') return ['POST', '/profiles/test'];
    const query = skipsTest ? '?test=skip' : '';

    return stored ? ['PUT', `/profiles/${stored.id}${query}`] : ['POST', `/profiles${query}`];
}

/* Who saved it, if the audit log still says so. */
async function lastChange(profile) {
    try {
        const { entries } = await get('/audit?limit=100');

        return entries.find((e) => e.object === profile.name && e.what?.startsWith('profile')) ?? null;
    } catch {
        return null;
    }
}

export function useEditor({ initial, canChange, onCreated }) {
    const [stored, setStored] = useState(initial);
    const [base, setBase] = useState(() => (initial ? draftOf(initial) : emptyDraft('smtp')));
    const [draft, setDraft] = useState(base);
    const [touched, setTouched] = useState(() => new Set());
    const [isTried, setTried] = useState(false);
    const [refused, setRefused] = useState({ of: null, errors: [] });
    const [run, setRun] = useState(null);
    const [conflict, setConflict] = useState(null);
    const found = useCheck(draft, stored, canChange);

    const isBusy = run !== null && !run.isOver;
    const isDirty = useMemo(() => !isSame(draft, base), [draft, base]);
    const errors = useMemo(() => groupByProperty(refused.of === draft ? refused.errors : found.errors), [refused, draft, found]);
    const warnings = useMemo(() => groupByProperty(found.warnings), [found]);

    const change = (members) => setDraft((now) => ({ ...now, ...members }));
    const setValue = (path, value) => setDraft((now) => ({ ...now, values: { ...now.values, [path]: value } }));
    const setSecret = (path, value) => setDraft((now) => ({ ...now, secrets: { ...now.secrets, [path]: value } }));
    const errorsOf = (path) => (isTried || touched.has(path) ? errors[path] : undefined);
    const touch = (path) => setTouched((now) => (now.has(path) ? now : new Set(now).add(path)));

    function restart(profile) {
        const fresh = draftOf(profile);

        setStored(profile);
        setBase(fresh);
        setDraft(fresh);
        setTouched(new Set());
        setTried(false);
        setRefused({ of: null, errors: [] });
    }

    async function meetConflict() {
        const theirs = await get(`/profiles/${stored.id}`);

        setConflict({ theirs, audit: await lastChange(theirs) });
    }

    function end(members) {
        setRun((now) => ({ ...now, ...members, isOver: true }));
    }

    async function fail(problem, of) {
        const test = problem.test ? endLadder(problem.test) : null;

        if (problem.code === 'invalid') setRefused({ of, errors: problem.errors });
        end({ problem, ladder: test });
        if (problem.code === 'stale' && stored) await meetConflict().catch(() => {});
    }

    /* `over`: what is replaced; a newer version than the editor began with, after a conflict. */
    async function start(what, { skipsTest = false, over = stored, of = draft } = {}) {
        const input = inputOf(of, over);
        const [method, path] = pathOf(what, over, skipsTest);
        const known = of.servers.map((s) => found.stored[s.text]).filter(Boolean);

        if (isBusy) return;
        if (!over) input.id = null; // a new one, also if the name is taken
        setTried(true);
        setConflict(null);
        setRun({ what, of, ladder: skipsTest ? null : beginLadder(known), isOver: false, problem: null, skipsTest });
        try {
            const { data } = await stream(method, path, {
                body: input,
                version: what === 'save' ? over?.version : undefined,
                onLine: (line) => setRun((now) => ({ ...now, ladder: addLine(now.ladder, line) })),
            });

            end({ ladder: data.test ? endLadder(data.test) : null, savedVersion: data.profile?.version, warnings: data.warnings });
            if (what !== 'save') return;
            restart(data.profile);
            setRun((now) => ({ ...now, of: null }));
            if (data.created) onCreated(data.profile, data.test ? endLadder(data.test) : null);
        } catch (problem) {
            await fail(problem, of);
        }
    }

    /* After a conflict: what was chosen goes over what is stored now. */
    function resolve(merged, theirs) {
        setStored(theirs);
        setBase(draftOf(theirs));
        setDraft(merged);
        start('save', { over: theirs, of: merged });
    }

    /* Back to what is stored; `theirs` when it is newer. */
    function discard(theirs) {
        setConflict(null);
        setRun(null);
        restart(theirs ?? stored);
    }

    return {
        canChange,
        stored,
        base,
        draft,
        change,
        setDraft,
        setValue,
        setSecret,
        touch,
        errors,
        errorsOf,
        isTried,
        warnings,
        storedForms: found.stored,
        run,
        setRun,
        isBusy,
        isDirty,
        start,
        conflict,
        setConflict,
        resolve,
        discard,
    };
}
