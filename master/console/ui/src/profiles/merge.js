/* Two people have changed one profile: what each did, property by property.
 *
 * `base` is what both began with, `mine` what is in the editor, `theirs` what is stored now; all three as
 * the API shows a profile. */
import { putAt, valueAt } from '../app/members.js';
import { inputOf, draftOf } from './draft.js';
import { fieldOf, fieldsOf, oauthFields } from './fields.js';

const whole = ['name', 'servers', 'username', 'oauth.grant'];

function pathsOf(type) {
    return [...whole, ...fieldsOf(type).map((f) => f.path), ...oauthFields.map((f) => f.path)];
}

const same = (one, other) => JSON.stringify(one ?? null) === JSON.stringify(other ?? null);

/* Both in the one form that the comparison needs: defaults left out. */
function plain(profile) {
    return inputOf(draftOf(profile), null);
}

/* [{ path, mine, theirs, isBoth }]: where the stored version and the editor differ. `isBoth`: each changed
 * it, so somebody has to decide; otherwise the one who changed it is right. */
export function differences(base, mine, theirs) {
    const [was, now] = [plain(base), plain(theirs)];

    return pathsOf(theirs.type)
        .filter((path) => !same(valueAt(mine, path), valueAt(now, path)))
        .map((path) => {
            const [a, b, c] = [was, mine, now].map((p) => valueAt(p, path));
            const byMe = !same(a, b);
            const byThem = !same(a, c);

            return { path, mine: b, theirs: c, isBoth: byMe && byThem, pick: byMe ? 'mine' : 'theirs' };
        });
}

/* The draft with what was picked. Secrets that were typed stay mine. */
export function mergedDraft(draft, theirs, rows) {
    const merged = structuredClone(theirs);

    for (const { path, mine, pick } of rows) if (pick === 'mine') putAt(merged, path, mine);
    if (merged.oauth && !Object.values(merged.oauth).some(Boolean)) merged.oauth = null;
    return { ...draftOf(merged), secrets: draft.secrets };
}

export function shown(path, value) {
    const option = fieldOf(path)?.options?.find(([name]) => name === value);

    if (option) return option[1];
    if (value === undefined || value === null || value === '') return 'default';
    if (Array.isArray(value)) return value.join('\n');
    if (typeof value === 'boolean') return value ? 'yes' : 'no';
    return String(value);
}
