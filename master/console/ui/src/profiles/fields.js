/* The properties of a server profile: which type has them, what they mean, their defaults.
 *
 * The gateway knows ranges and rules and says what is wrong; here is only what an editor shows. A field
 * that is left empty means the default, which stands in it in grey. */
const SMTP = ['smtp'];
const CORE = ['core'];
const REST = ['core', 'vault'];
const ORDERED = ['smtp', 'core'];
const ALL = ['smtp', 'core', 'vault'];

export const types = [
    ['smtp', 'Mail', 'Servers that mail is relayed to by SMTP.'],
    ['core', 'Core', 'MetaDefender Core: scans messages and attachments.'],
    ['vault', 'Vault', 'MetaDefender Vault: takes the attachments.'],
];

export const typeNames = { smtp: 'Mail servers', core: 'MetaDefender Core', vault: 'MetaDefender Vault' };

export const serverExamples = {
    smtp: 'mail.example.net or smtps://10.0.0.11:465',
    core: 'https://core.example.net:8008',
    vault: 'https://vault.example.net:8010/vault_rest',
};

/* What every profile has; each of these has a control of its own. */
export const general = {
    type: { path: 'type', types: ALL, label: 'Kind of servers', help: 'It cannot be changed later.', options: types },
    name: { path: 'name', types: ALL, label: 'Name', help: 'Rules refer to the profile by it. It can be changed at any time.' },
    servers: {
        path: 'servers',
        types: ALL,
        label: 'Servers',
        help: 'In the order in which they are used; scheme and port may be left out. A Vault is one server, whose address may have a path.',
    },
};

/* kind: text, area, number, switch, choice. `fallback`: the default; a function gets the draft. */
export const preference = {
    path: 'preference',
    types: ORDERED,
    kind: 'choice',
    label: 'Which server is used',
    fallback: 'failover',
    columns: true,
    options: [
        ['failover', 'In order', 'Always the first that works; the others stand by.'],
        ['round_robin', 'In turn', 'One after the other, so that each gets its share.'],
    ],
};

export const sections = [
    {
        key: 'security',
        title: 'Encryption',
        fields: [
            {
                path: 'encryption',
                types: SMTP,
                kind: 'choice',
                label: 'For smtp:// servers',
                help: 'Servers written as smtps:// are always encrypted from the first byte; this does not change that.',
                fallback: 'none',
                options: [
                    ['none', 'None', 'Everything crosses the network in clear.'],
                    ['starttls_optional', 'STARTTLS if offered', 'Encrypted where the server can; otherwise mail goes in clear, and that is counted.'],
                    ['starttls_required', 'STARTTLS required', 'A server that cannot encrypt gets no mail.'],
                ],
            },
            {
                path: 'verify_certificate',
                types: ALL,
                kind: 'switch',
                label: 'Verify the server’s certificate',
                help: 'Its name and its issuer, wherever TLS is required. Without it anybody in between can pose as the server.',
                fallback: true,
            },
            {
                path: 'client_certificate',
                types: ORDERED,
                kind: 'switch',
                label: 'Show our own certificate',
                help: 'The digital ID that the configuration file names (tls.certificate and tls.key).',
                fallback: false,
            },
            {
                path: 'ca',
                types: ALL,
                kind: 'area',
                label: 'Own certificate authority',
                help: 'In PEM form. Trusted for this profile, beside the system’s.',
                placeholder: '-----BEGIN CERTIFICATE-----',
            },
        ],
    },
    {
        key: 'pool',
        title: 'Connection pool',
        text: 'Connections stay open for the next message instead of being made anew. Servers limit how many connections they bear at once, and for how long.',
        fields: [
            { path: 'pool.enabled', types: SMTP, kind: 'switch', label: 'Keep connections open', help: 'Off: each delivery makes a connection of its own and closes it.', fallback: false },
            {
                path: 'pool.size',
                types: SMTP,
                kind: 'number',
                label: 'Idle connections at most',
                help: 'For the whole appliance. Servers limit parallel connections: stay below that.',
                fallback: 20,
                range: '1 to 999',
            },
            {
                path: 'pool.expiry',
                types: SMTP,
                kind: 'number',
                unit: 's',
                label: 'Closed when idle for',
                help: 'Many servers close an idle connection after 300 s: stay below that, too.',
                fallback: 180,
                range: '1 to 60000',
            },
        ],
    },
    {
        key: 'limits',
        title: 'Limits',
        isFolded: true,
        fields: [
            {
                path: 'max_connections',
                types: ORDERED,
                kind: 'number',
                label: 'Connections per server',
                help: 'Over all workers, busy and idle; 0: no limit.',
                fallback: 20,
                range: '0 to 9999',
            },
            {
                path: 'max_lifetime',
                types: SMTP,
                kind: 'number',
                unit: 's',
                label: 'Age of a connection',
                help: '0: no limit. 270 suits Exchange, which cuts connections by their age.',
                fallback: 0,
                range: '0 to 86400',
            },
            {
                path: 'max_messages',
                types: SMTP,
                kind: 'number',
                label: 'Messages per connection',
                help: '0: no limit.',
                fallback: 0,
                range: '0 to 100000',
            },
            {
                path: 'max_recipients',
                types: SMTP,
                kind: 'number',
                label: 'Recipients per transaction',
                help: 'A message to more is sent in several.',
                fallback: 100,
                range: '1 to 1000',
            },
            {
                path: 'max_in_flight',
                types: SMTP,
                kind: 'number',
                label: 'Messages under way',
                help: 'At once, through this profile. The default is 20 for each server.',
                fallback: (draft) => 20 * Math.max(draft.servers.length, 1),
                range: '1 to 10000',
            },
        ],
    },
    {
        key: 'retry',
        title: 'Retries',
        isFolded: true,
        text: 'What could not be delivered is tried again, with longer and longer pauses, until its time is up.',
        fields: [
            { path: 'retry.first', types: SMTP, kind: 'number', unit: 's', label: 'First pause', help: 'The time between the first attempt that failed and the second.', fallback: 60, range: '1 to 86400' },
            { path: 'retry.factor', types: SMTP, kind: 'number', label: 'Each next one longer by', unit: '×', help: 'With 2, each pause is twice as long as the one before.', fallback: 2, range: '1 to 10' },
            { path: 'retry.max', types: SMTP, kind: 'number', unit: 's', label: 'Longest pause', help: 'Pauses grow no further than that.', fallback: 3600, range: 'first pause to 86400' },
            {
                path: 'retry.lifetime',
                types: SMTP,
                kind: 'number',
                unit: 's',
                label: 'Given up after',
                help: '432000 s are five days. The sender is told then.',
                fallback: 432000,
                range: '60 to 2592000',
            },
            {
                path: 'retry.warn',
                types: SMTP,
                kind: 'number',
                unit: 's',
                label: 'Sender warned after',
                help: '14400 s are four hours; 0: never.',
                fallback: 14400,
                range: '0 to the lifetime',
            },
        ],
    },
    {
        key: 'timeouts',
        title: 'Timeouts',
        isFolded: true,
        text: 'How long a server may take, from 1 s to 3600 s each.',
        fields: [
            { path: 'timeouts.connect', types: ALL, kind: 'number', unit: 's', label: 'To connect', help: 'Until the connection is there.', fallback: 30 },
            { path: 'timeouts.greeting', types: SMTP, kind: 'number', unit: 's', label: 'To greet', help: 'Until the server’s first line has come.', fallback: 60 },
            { path: 'timeouts.handshake', types: ALL, kind: 'number', unit: 's', label: 'For TLS, EHLO and log-in', restLabel: 'For TLS', help: 'For what is agreed before anything else is said.', fallback: 60 },
            { path: 'timeouts.command', types: SMTP, kind: 'number', unit: 's', label: 'To answer a command', help: 'For each reply that names the sender and the recipients.', fallback: 300 },
            { path: 'timeouts.data_block', types: SMTP, kind: 'number', unit: 's', label: 'To take a block of the content', help: 'While content is sent, and the server takes none of it.', fallback: 180 },
            { path: 'timeouts.end_of_data', types: SMTP, kind: 'number', unit: 's', label: 'To accept the message', help: 'After the last line: many servers look through a message then.', fallback: 600 },
            { path: 'timeouts.transfer', types: REST, kind: 'number', unit: 's', label: 'To take a file', help: 'While a file is sent, and the server takes none of it.', fallback: 300 },
            { path: 'timeouts.result', types: REST, kind: 'number', unit: 's', label: 'Until the result is there', help: 'For the verdict on what was sent.', fallback: 1800 },
        ],
    },
    {
        key: 'identity',
        title: 'How we appear',
        isFolded: true,
        fields: [
            {
                path: 'source_address',
                types: SMTP,
                kind: 'text',
                label: 'Source address',
                help: 'An IP address of this machine that connections come from.',
                placeholder: 'as the system chooses',
            },
            {
                path: 'ehlo_name',
                types: SMTP,
                kind: 'text',
                label: 'Name in EHLO',
                help: 'A host name, or an address in brackets.',
                placeholder: 'the configured host name',
            },
        ],
    },
    {
        key: 'links',
        title: 'Links to scan details',
        isFolded: true,
        fields: [
            {
                path: 'link_base',
                types: CORE,
                kind: 'text',
                label: 'Base of the links',
                help: 'Where browsers reach the Core, if not at the server’s own address.',
                placeholder: 'the server’s own address',
            },
        ],
    },
];

/* Logging in at mail servers: either name and password, or OAuth. */
export const login = {
    label: 'We log in',
    types: SMTP,
    options: [
        ['none', 'Not at all', 'The servers know us by our address.'],
        ['password', 'Name and password', 'By the strongest way that the server offers.'],
        ['oauth', 'OAuth 2', 'As Microsoft 365 and Google ask for.'],
    ],
};

export const account = {
    username: { path: 'username', types: SMTP, label: 'User name', help: 'Under which the servers know the gateway.' },
    password: { path: 'password', types: SMTP, label: 'Password', help: 'It is kept sealed, and never shown again.' },
};

/* What a Core or a Vault asks for instead. */
export const apiKey = {
    path: 'api_key',
    types: REST,
    label: 'API key',
    help: 'Made in the Vault; every call carries it. A Core may ask for one, too.',
    helpFor: { core: 'Only if the Core asks for one.', vault: 'Made in the Vault; every call carries it.' },
};

export const grants = [
    ['client_credentials', 'Client credentials'],
    ['refresh_token', 'Refresh token'],
];

export const oauthFields = [
    { path: 'oauth.user', kind: 'text', label: 'Mailbox', help: 'The user whose mailbox is used.' },
    { path: 'oauth.client_id', kind: 'text', label: 'Client id', help: 'As the provider shows it for the application that was registered there.' },
    { path: 'oauth.token_url', kind: 'text', label: 'Token URL', help: 'Where access tokens are got; https only.' },
    { path: 'oauth.scope', kind: 'text', label: 'Scope', help: 'What is asked for; left empty where the provider knows.' },
];

export const oauth = {
    grant: { path: 'oauth.grant', label: 'Grant', help: 'How the provider lets the gateway in: by itself, or in the name of a user who has allowed it once.', options: grants },
    refreshToken: { path: 'oauth.refresh_token', label: 'Refresh token', help: 'What the provider gave when that user allowed it.' },
    clientSecret: { path: 'oauth.client_secret', label: 'Client secret', help: 'The application’s own, as the provider showed it; with a refresh token only if the provider asks for it.' },
};

export const secretPaths = ['password', 'api_key', 'oauth.client_secret', 'oauth.refresh_token'];

/* Every field with a place of its own in the editor, for a type. */
export function fieldsOf(type) {
    return [preference, ...sections.flatMap((s) => s.fields)].filter((f) => f.types.includes(type));
}

export function fallbackOf(field, draft) {
    return typeof field.fallback === 'function' ? field.fallback(draft) : field.fallback;
}

export function fieldOf(path) {
    return [preference, ...sections.flatMap((s) => s.fields)].find((f) => f.path === path);
}

/* Names for people of any property path that the gateway may mention. */
const extraLabels = { login: 'Log-in', oauth: 'OAuth' };
const ownFields = [...Object.values(general), ...Object.values(account), apiKey, ...Object.values(oauth)];

const labels = Object.fromEntries([...ownFields, preference, ...sections.flatMap((s) => s.fields.map((f) => ({ ...f, label: `${s.title}: ${f.label}` }))), ...oauthFields].map((f) => [f.path, f.label]));

export function labelOf(path) {
    const server = /^servers\[(\d+)\]$/.exec(path);

    if (server) return `Server ${Number(server[1]) + 1}`;
    return extraLabels[path] ?? labels[path] ?? path;
}
