/* Two people changed the settings: what differs, and what comes of a choice. */
import { draftOf } from './draft.js';
import { groups } from './fields.js';

const onPath = (group) => `on.${group.key}`;

/* Every value as it is shown, by path. */
function flat(draft) {
    const values = {};

    for (const group of groups) {
        values[onPath(group)] = draft.on[group.key];
        for (const field of group.fields) values[field.path] = draft.values[field.path];
    }
    return values;
}

const titles = Object.fromEntries(groups.flatMap((group) => [[onPath(group), group.onLabel], ...group.fields.map((field) => [field.path, `${group.title}: ${field.label}`])]));

function shown(value) {
    if (typeof value === 'boolean') return value ? 'On' : 'Off';
    return value === '' ? '–' : value;
}

/* Rows for <Conflict>: where mine and theirs differ. What one has changed oneself is picked. */
export function differences(stored, draft, theirs) {
    const [before, mine, other] = [flat(draftOf(stored)), flat(draft), flat(draftOf(theirs))];

    return Object.keys(mine)
        .filter((path) => mine[path] !== other[path])
        .map((path) => ({
            path,
            title: titles[path],
            mine: shown(mine[path]),
            theirs: shown(other[path]),
            isBoth: mine[path] !== before[path] && other[path] !== before[path],
            pick: mine[path] !== before[path] ? 'mine' : 'theirs',
        }));
}

export function mergedDraft(draft, theirs, rows) {
    const merged = draftOf(theirs);

    for (const { path } of rows.filter((row) => row.pick === 'mine')) {
        const group = groups.find((g) => onPath(g) === path);

        if (group) merged.on[group.key] = draft.on[group.key];
        else merged.values[path] = draft.values[path];
    }
    return merged;
}
