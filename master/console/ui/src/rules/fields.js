/* The properties of a security rule: what they mean, and their defaults.
 *
 * kind: list (one entry a line), profile (of `type`), choice, switch, text. A list or text that is left
 * empty means the default. `parts`: what else than a line's end stands between two entries. */
const ADDRESSES = /[\s,;]+/;

export const sections = [
    {
        key: 'general',
        title: 'General',
        fields: [
            { path: 'name', kind: 'text', label: 'Name', help: 'Shown in lists, the log and the queue. It can be changed at any time.' },
            { path: 'enabled', kind: 'switch', label: 'Enabled', fallback: true, help: 'A rule that is off takes no mail; the next ones are asked instead.' },
        ],
    },
    {
        key: 'match',
        title: 'Which mail it takes',
        text: 'A recipient is taken when all three conditions hold. One entry a line; one that fits is enough.',
        fields: [
            {
                path: 'match.recipients',
                kind: 'list',
                parts: ADDRESSES,
                label: 'Recipients',
                placeholder: '*@example.net',
                help: '*@example.net is a whole domain, user@* one name at any domain, * everybody.',
            },
            {
                path: 'match.senders',
                kind: 'list',
                parts: ADDRESSES,
                label: 'Senders',
                fallback: ['*'],
                placeholder: 'everybody',
                help: 'Written as recipients are; <> is the empty sender of reports. Anybody can claim to be a sender: this protects nothing.',
            },
            {
                path: 'match.clients',
                kind: 'list',
                parts: ADDRESSES,
                label: 'Clients',
                fallback: ['0.0.0.0/0', '::/0'],
                placeholder: 'every address',
                help: 'The networks that mail may come from: 10.0.0.0/8, 2001:db8::/32, or one IP address.',
            },
            {
                path: 'allow_open_relay',
                kind: 'switch',
                label: 'Let anybody send to anybody',
                fallback: false,
                help: 'A rule for all clients and all recipient domains makes this gateway an open relay. It is refused unless this is on.',
            },
        ],
    },
    {
        key: 'way',
        title: 'Where it goes',
        text: 'Scanned first, then its attachments are uploaded, then it is relayed.',
        fields: [
            { path: 'relay', kind: 'profile', type: 'smtp', label: 'Relay by', help: 'The mail servers that get the mail.' },
            { path: 'core', kind: 'profile', type: 'core', label: 'Scan at', none: 'No scan', help: 'A MetaDefender Core that looks at the message and its attachments.' },
            { path: 'vault', kind: 'profile', type: 'vault', label: 'Upload attachments to', none: 'No upload', help: 'A MetaDefender Vault that gets a copy; the message keeps its attachments.' },
            { path: 'verify_recipients', kind: 'switch', label: 'Ask the relay about each recipient first', fallback: false, help: 'A recipient that the relay does not know is refused at once, instead of with a report later.' },
        ],
    },
    {
        key: 'scan',
        title: 'Scan',
        of: 'core',
        hint: 'counts only with a Core to scan at',
        fields: [
            {
                path: 'scan.on_blocked',
                kind: 'choice',
                label: 'When the scan blocks something',
                fallback: 'quarantine',
                options: [
                    ['quarantine', 'Quarantine', 'The message is kept here until somebody decides.'],
                    ['reject', 'Reject', 'It is given up for good and kept under Failed.'],
                    ['pass_with_header', 'Deliver, marked', 'It goes on with the verdict in the header X-Postern-Scan.'],
                ],
            },
            {
                path: 'scan.on_unavailable',
                kind: 'choice',
                label: 'When no Core answers',
                fallback: 'defer',
                columns: true,
                options: [
                    ['defer', 'Wait', 'The mail stays in the queue until one does.'],
                    ['pass_with_header', 'Deliver unscanned, marked', 'It goes on, and the header says that it was not scanned.'],
                ],
            },
            { path: 'scan.add_headers', kind: 'switch', label: 'Say in a header what the scan found', fallback: true, help: 'X-Postern-Scan: allowed, blocked or unavailable. What came with the mail under that name is always removed.' },
            { path: 'scan.workflow', kind: 'text', label: 'Workflow rule', placeholder: 'the Core’s own choice', help: 'Name of the rule in the Core that shall scan it.' },
        ],
    },
    {
        key: 'upload',
        title: 'Upload',
        of: 'vault',
        hint: 'counts only with a Vault to upload to',
        fields: [
            {
                path: 'upload.on_unavailable',
                kind: 'choice',
                label: 'When the Vault does not answer',
                fallback: 'defer',
                columns: true,
                options: [
                    ['defer', 'Wait', 'The mail stays in the queue until it does.'],
                    ['skip', 'Deliver without', 'It goes on, and nothing is uploaded.'],
                ],
            },
            {
                path: 'upload.links',
                kind: 'choice',
                label: 'Links to the uploaded files',
                fallback: 'none',
                options: [
                    ['none', 'None', 'The message is left as it is.'],
                    ['header', 'In the header', 'One X-Postern-Link for each file.'],
                    ['text_part', 'In the text', 'A part with the links is added to the message.'],
                ],
            },
            { path: 'upload.expires', kind: 'text', label: 'Kept for', placeholder: 'as long as the Vault says', help: 'days:hours:minutes:seconds, such as 30:00:00:00.' },
            { path: 'upload.share_with', kind: 'list', parts: /\n/, label: 'Share with', fallback: [], placeholder: 'nobody', help: 'Users of the Vault who may see the files, by user name or mail address; one a line.' },
        ],
    },
];

export const fields = sections.flatMap((s) => s.fields);

const labels = Object.fromEntries(fields.map((f) => [f.path, f.label]));

/* "match.senders[3]" is of the field "match.senders". */
export function fieldPathOf(property) {
    return property.replace(/\[\d+\]$/, '');
}

export function labelOf(property) {
    return labels[fieldPathOf(property)] ?? property;
}
