/* What the help page explains: the very texts that stand beside the fields in the editors. */
import { seriesHelp, serverHelp } from '../dashboard/series.js';
import { account, apiKey, general, login, oauth, oauthFields, preference, sections as profileSections, typeNames } from '../profiles/fields.js';
import { sections as ruleSections } from '../rules/fields.js';
import { groups } from '../settings/fields.js';

const TYPES = Object.keys(typeNames);

function defaultOf(field) {
    const fallback = typeof field.fallback === 'function' ? undefined : field.fallback;

    // A placeholder says what an empty field means, unless the field may not be empty.
    if (Array.isArray(fallback) || (fallback === undefined && field.kind === 'text')) return field.placeholder ? `Left empty: ${field.placeholder}.` : '';
    if (fallback === undefined) return '';
    if (typeof fallback === 'boolean') return `Default: ${fallback ? 'on' : 'off'}.`;
    const option = field.options?.find(([name]) => name === fallback);

    return `Default: ${option ? option[1] : `${fallback}${field.unit ? ` ${field.unit}` : ''}`}.`;
}

/* { name, types, lines }: what is said of one field. */
function entryOf(field) {
    const types = field.types && field.types.length < TYPES.length ? field.types.map((type) => typeNames[type]) : [];
    const range = field.range ? `From ${field.range}.` : '';

    return {
        name: field.label,
        types,
        text: [field.help, range, defaultOf(field)].filter(Boolean).join(' '),
        options: (field.options ?? []).map(([, name, help]) => ({ name, help })),
    };
}

/* What all fields of a part have in common is said once. */
function partOf({ title, text, fields }) {
    const entries = fields.map(entryOf);
    const types = entries[0].types;
    const isCommon = entries.every((entry) => String(entry.types) === String(types));

    return { title, text, types: isCommon ? types : [], entries: isCommon ? entries.map((entry) => ({ ...entry, types: [] })) : entries };
}

const loginFields = [login, ...Object.values(account), oauth.grant, ...oauthFields, oauth.refreshToken, oauth.clientSecret].map((f) => ({ ...f, types: login.types }));

const profileParts = [{ title: 'Servers', fields: [...Object.values(general), preference] }, { title: 'Logging in', fields: [...loginFields, apiKey] }, ...profileSections];

export const topics = [
    { title: 'Server profiles', to: '/profiles', parts: profileParts.map(partOf) },
    { title: 'Security rules', to: '/rules', parts: ruleSections.map(partOf) },
    { title: 'Settings', to: '/settings', parts: groups.map(partOf) },
    { title: 'Figures of the dashboard', to: '/', parts: [
            { title: 'Per minute', fields: seriesHelp },
            { title: 'Servers', fields: serverHelp },
        ].map(({ title, fields }) => partOf({ title, fields: fields.map(([, label, help]) => ({ label, help })) })) },
];
