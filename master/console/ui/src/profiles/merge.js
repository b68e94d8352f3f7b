/* Two people have changed one profile: what each did, property by property.
 *
 * `base` is what both began with, `mine` what is in the editor, `theirs` what is stored now; all three as
 * the API shows a profile. */
import { putAt, valueAt } from '../app/members.js';
import { inputOf, draftOf, loginOf } from './draft.js';
import { fieldOf, fieldsOf, login, oauthFields } from './fields.js';

const whole = ['name', 'servers'];
const loginPaths = ['username', 'oauth.grant', ...oauthFields.map((f) => f.path)];

/* Two ways to log in have no property in common: then the way itself is what one decides about. */
const WAY = 'login';

function pathsOf(type, isSameWay) {
    return [...whole, ...fieldsOf(type).map((f) => f.path), ...(isSameWay ? loginPaths : [WAY])];
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
    const at = (profile, path) => (path === WAY ? loginOf(profile) : valueAt(profile, path));

    return pathsOf(theirs.type, loginOf(mine) === loginOf(now))
        .filter((path) => !same(at(mine, path), at(now, path)))
        .map((path) => {
            const [a, b, c] = [was, mine, now].map((p) => at(p, path));
            const byMe = !same(a, b);
            const byThem = !same(a, c);

            return { path, mine: b, theirs: c, isBoth: byMe && byThem, pick: byMe ? 'mine' : 'theirs' };
        });
}

/* The draft with what was picked. Secrets that were typed stay mine. */
export function mergedDraft(draft, theirs, rows) {
    const stored = structuredClone(theirs);
    const mine = rows.filter(({ pick }) => pick === 'mine');

    for (const { path, mine: value } of mine) if (path !== WAY) putAt(stored, path, value);
    const merged = { ...draftOf(stored), secrets: draft.secrets };

    if (!mine.some(({ path }) => path === WAY)) return merged;
    const values = Object.fromEntries(loginPaths.map((path) => [path, draft.values[path]]));

    return { ...merged, login: draft.login, grant: draft.grant, values: { ...merged.values, ...values } };
}

export function shown(path, value) {
    const field = path === WAY ? login : fieldOf(path);
    const option = field?.options?.find(([name]) => name === value);

    if (option) return option[1];
    if (value === undefined || value === null || value === '') return 'default';
    if (Array.isArray(value)) return value.join('\n');
    if (typeof value === 'boolean') return value ? 'yes' : 'no';
    return String(value);
}
