/* The settings as they are typed, and what is sent of them. */
import { groups } from './fields.js';

/* { on: { postmaster: bool, alerts: bool }, values: { path: text } } */
export function draftOf(settings) {
    const draft = { on: {}, values: {} };

    for (const group of groups) {
        const stored = settings[group.key];

        draft.on[group.key] = Boolean(stored);
        for (const field of group.fields) draft.values[field.path] = textOf(field, stored?.[nameOf(field)]);
    }
    return draft;
}

function nameOf(field) {
    return field.path.split('.')[1];
}

function textOf(field, value) {
    if (value === undefined || value === null) return '';
    if (field.kind === 'list') return value.join('\n');
    return field.kind === 'number' && value === field.fallback ? '' : String(value);
}

/* What is no number goes as it is: the gateway says what is wrong with it. */
function valueOf(field, text) {
    const typed = text.trim();

    if (field.kind === 'list') return typed.split(/[\s,;]+/).filter(Boolean);
    if (field.kind !== 'number') return typed;
    if (typed === '') return field.fallback;
    return /^\d+$/.test(typed) ? Number(typed) : typed;
}

function inputOfGroup(group, draft) {
    return Object.fromEntries(group.fields.map((field) => [nameOf(field), valueOf(field, draft.values[field.path])]));
}

export function inputOf(draft) {
    return Object.fromEntries(groups.map((group) => [group.key, draft.on[group.key] ? inputOfGroup(group, draft) : null]));
}

export function isSame(a, b) {
    return JSON.stringify(inputOf(a)) === JSON.stringify(inputOf(b));
}

/* What the gateway said of a field, and of the entries of its list. */
export function errorsOf(problem, path) {
    return (problem?.errors ?? []).filter((e) => e.property === path || e.property.startsWith(`${path}[`)).map((e) => (e.property === path || typeof e.value !== 'string' ? e : { ...e, problem: `“${e.value}” ${e.problem}` }));
}
