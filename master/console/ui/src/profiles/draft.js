/* What is being edited: texts as typed, until the gateway says what they mean.
 *
 *   { type, name, servers: [{ key, text }], values: { path: text or boolean }, login, grant,
 *     secrets: { path: undefined (kept) | null (removed) | text } }
 */
import { putAt, valueAt } from '../app/members.js';
import { fallbackOf, fieldsOf, oauthFields, secretPaths } from './fields.js';

let lastKey = 0;

export function newServer(text = '') {
    return { key: ++lastKey, text };
}

/* As the API shows a profile, or takes it. */
export function loginOf(profile) {
    if (profile.oauth) return 'oauth';
    return profile.username ? 'password' : 'none';
}

function shownValue(field, profile, draft) {
    const value = valueAt(profile, field.path);

    if (field.kind === 'switch' || field.kind === 'choice') return value ?? field.fallback;
    if (value === null || value === undefined || value === fallbackOf(field, draft)) return '';
    return String(value);
}

export function draftOf(profile) {
    const draft = {
        type: profile.type,
        name: profile.name ?? '',
        servers: (profile.servers ?? ['']).map(newServer),
        values: {},
        login: loginOf(profile),
        grant: profile.oauth?.grant ?? 'client_credentials',
        secrets: {},
    };

    for (const field of [...fieldsOf(profile.type), ...oauthFields]) draft.values[field.path] = shownValue(field, profile, draft);
    draft.values.username = profile.username ?? '';
    return draft;
}

export function emptyDraft(type) {
    return draftOf({ type, servers: [''] });
}

/* Another type keeps what both have. */
export function withType(draft, type) {
    const fresh = emptyDraft(type);
    const values = { ...fresh.values };

    for (const path of Object.keys(values)) if (draft.values[path] !== undefined) values[path] = draft.values[path];
    return { ...draft, type, values, servers: type === 'vault' ? draft.servers.slice(0, 1) : draft.servers };
}

function numberOf(text) {
    const trimmed = text.trim();

    return /^-?\d+(\.\d+)?$/.test(trimmed) ? Number(trimmed) : trimmed; // what is no number is the gateway's to refuse
}

function putFields(input, fields, values) {
    for (const { path, kind } of fields) {
        const value = values[path];

        if (kind === 'switch' || kind === 'choice') putAt(input, path, value);
        else if (value !== undefined && value.trim() !== '') putAt(input, path, kind === 'number' ? numberOf(value) : value);
    }
}

const isSet = (stored, path) => valueAt(stored, `${path}_set`) === true;

/* null where the stored profile has a secret that nothing goes with any more. */
function putLogin(input, draft, stored) {
    const { secrets, values } = draft;

    if (draft.login === 'password') {
        if (values.username !== '') input.username = values.username;
        if (secrets.password !== undefined) input.password = secrets.password;
    } else if (isSet(stored, 'password')) {
        input.password = null;
    }
    if (draft.login !== 'oauth') {
        if (stored?.oauth) input.oauth = null;
        return;
    }
    input.oauth = { grant: draft.grant };
    putFields(input, oauthFields, values);
    for (const path of ['oauth.client_secret', 'oauth.refresh_token'])
        if (secrets[path] !== undefined) putAt(input, path, secrets[path]);
    if (draft.grant === 'client_credentials' && isSet(stored, 'oauth.refresh_token')) input.oauth.refresh_token = null;
}

/* As the API takes it. `stored`: what is there now, null for a new profile. */
export function inputOf(draft, stored) {
    const input = { type: draft.type, name: draft.name, servers: draft.servers.map((s) => s.text) };

    if (stored) input.id = stored.id;
    putFields(input, fieldsOf(draft.type), draft.values);
    if (draft.type === 'smtp') putLogin(input, draft, stored);
    else if (draft.secrets.api_key !== undefined) input.api_key = draft.secrets.api_key;
    return input;
}

/* The same for a check while one types: a secret does not leave the page before it is needed, a text of
 * its length goes instead. */
export function inputForCheck(draft, stored) {
    const input = structuredClone(inputOf(draft, stored));

    for (const path of secretPaths) {
        const value = valueAt(input, path);

        if (typeof value === 'string') putAt(input, path, 'x'.repeat(new TextEncoder().encode(value).length));
    }
    return input;
}

export function isSame(one, other) {
    const plain = (draft) => JSON.stringify({ ...draft, servers: draft.servers.map((s) => s.text) });

    return plain(one) === plain(other);
}

/* Credentials that would cross the network in clear with what is stored (SP62). */
export function isInClear(profile) {
    const clear = profile.servers.some((uri) => /^(smtp|http):/.test(uri));

    if (profile.type !== 'smtp') return clear && profile.api_key_set === true;
    return clear && profile.encryption === 'none' && Boolean(profile.username || profile.oauth);
}
