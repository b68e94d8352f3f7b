/* The settings: what belongs to no profile and no rule.
 *
 * A group that is off is null for the gateway. kind: profile, text, list (one a line), number. A number
 * that is left empty means the default, which stands in it in grey. */
export const groups = [
    {
        key: 'postmaster',
        title: 'Mail for postmaster',
        text: 'Every mail system has to take mail for postmaster. This says who reads it here.',
        onLabel: 'Deliver mail for postmaster',
        fields: [
            { path: 'postmaster.mailbox', kind: 'text', label: 'Mailbox', example: 'admin@example.net', help: 'Who gets what is addressed to postmaster at any domain of this gateway.' },
            { path: 'postmaster.profile', kind: 'profile', label: 'Relay by', help: 'The mail servers that take it there.' },
        ],
    },
    {
        key: 'alerts',
        title: 'Alerts by mail',
        text: 'A mail when something begins that somebody should look at, once an hour while it lasts, and when it is over.',
        onLabel: 'Send alerts by mail',
        fields: [
            { path: 'alerts.to', kind: 'list', label: 'To', example: 'admin@example.net', help: 'One address a line, up to 20.' },
            { path: 'alerts.from', kind: 'text', label: 'From', example: 'postern@example.net', help: 'Shown as the sender. Reports of failure do not go there.' },
            { path: 'alerts.profile', kind: 'profile', label: 'Relay by', help: 'The mail servers that take it there. Choose some that still work when others do not.' },
            { path: 'alerts.queue_length', kind: 'number', label: 'Queue longer than', unit: 'messages', fallback: 1000, help: 'Messages that wait or are under way. 0: no such alert.' },
            { path: 'alerts.queue_age', kind: 'number', label: 'Oldest waits for', unit: 's', fallback: 3600, help: '3600 s are an hour. 0: no such alert.' },
            { path: 'alerts.disk_free_percent', kind: 'number', label: 'Disk space below', unit: '%', fallback: 10, help: 'Free space where the queue is kept. 0: no such alert.' },
            { path: 'alerts.certificate_days', kind: 'number', label: 'Certificate ends in', unit: 'days', fallback: 30, help: 'Of the digital ID; told again 7 days and 1 day before. 0: no such alert.' },
        ],
    },
];

const all = groups.flatMap((group) => group.fields);

export function fieldOf(path) {
    return all.find((field) => field.path === path);
}
