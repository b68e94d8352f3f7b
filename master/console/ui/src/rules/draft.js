/* A rule that is being edited: { path: text or boolean }. An empty text means the default. */
import { putAt, valueAt } from '../app/members.js';
import { fields } from './fields.js';

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

function shownValue(field, rule) {
    const value = valueAt(rule, field.path);

    if (field.kind === 'switch' || field.kind === 'choice') return value ?? field.fallback;
    if (field.kind !== 'list') return value ?? '';
    return value === undefined || value === null || same(value, field.fallback) ? '' : value.join('\n');
}

export function draftOf(rule) {
    return Object.fromEntries(fields.map((f) => [f.path, shownValue(f, rule)]));
}

export function emptyDraft(profiles) {
    const relays = profiles.filter((p) => p.type === 'smtp');

    return draftOf({ relay: relays.length === 1 ? relays[0].name : '' });
}

function entriesOf(field, text) {
    return text
        .split(field.parts)
        .map((entry) => entry.trim())
        .filter(Boolean);
}

function inputValue(field, value) {
    if (field.kind === 'switch' || field.kind === 'choice') return value;
    if (field.kind === 'list') {
        const entries = entriesOf(field, value);

        return entries.length > 0 ? entries : undefined;
    }
    return value.trim() === '' ? undefined : value;
}

/* As the API takes it: what is left empty is left out. */
export function inputOf(draft) {
    const input = { match: {} };

    for (const field of fields) {
        const value = inputValue(field, draft[field.path]);

        if (value !== undefined) putAt(input, field.path, value);
    }
    return input;
}

export function isSame(one, other) {
    return same(inputOf(one), inputOf(other));
}

/* ---- two versions ---- */

function shown(field, value) {
    if (typeof value === 'boolean') return value ? 'yes' : 'no';
    if (field.kind === 'choice') return field.options.find(([name]) => name === value)?.[1] ?? value;
    return value === '' ? (field.none ?? 'default') : value;
}

/* Where the editor and what is stored now differ, for parts/Conflict.jsx; all three are drafts. */
export function differences(base, mine, theirs) {
    return fields
        .filter(({ path }) => mine[path] !== theirs[path])
        .map((field) => {
            const { path, label } = field;
            const byMe = base[path] !== mine[path];

            return {
                path,
                title: label,
                mine: shown(field, mine[path]),
                theirs: shown(field, theirs[path]),
                isBoth: byMe && base[path] !== theirs[path],
                pick: byMe ? 'mine' : 'theirs',
            };
        });
}

export function merged(mine, theirs, rows) {
    return { ...theirs, ...Object.fromEntries(rows.filter((r) => r.pick === 'mine').map((r) => [r.path, mine[r.path]])) };
}
