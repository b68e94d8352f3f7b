/* What is known of one message: its recipients, what a scan found, what was uploaded. */
import { useState } from 'preact/hooks';

import { bytes, count, visible } from '../app/format.js';
import { Button } from '../parts/Button.jsx';
import { Dot } from '../parts/Health.jsx';
import { LinkOut } from '../parts/LinkOut.jsx';
import { Table } from '../parts/Table.jsx';
import { Address } from './Envelope.jsx';

const SHOWN = 50;

const recipientStates = { open: ['off', 'Open'], delivered: ['good', 'Delivered'], refused: ['bad', 'Refused'], expired: ['bad', 'Given up'] };

/* What an earlier attempt was told of one that has been delivered since is no reply to that. */
function Reply({ recipient }) {
    const said = [recipient.code, recipient.text].filter(Boolean).join(' ');
    const isOld = recipient.state === 'delivered' && !/^2/.test(said);

    if (said === '' || isOld) return <span class="soft">–</span>;
    return (
        <span class="mail-reply">
            <bdi>{visible(said)}</bdi>
            {recipient.server && <span class="mail-second mono">{visible(recipient.server)}</span>}
        </span>
    );
}

const recipientColumns = [
    { title: 'Recipient', isMain: true, width: '36%', cell: (r) => <Address text={r.address} /> },
    {
        title: 'State',
        width: '8rem',
        cell: (r) => {
            const [tone, text] = recipientStates[r.state] ?? ['off', r.state];

            return <Dot tone={tone}>{text}</Dot>;
        },
    },
    { title: 'Last reply', cell: (r) => <Reply recipient={r} /> },
];

export function Recipients({ message }) {
    const [isWhole, setWhole] = useState(false);
    const all = message.recipients;
    const rest = (message.recipient_count ?? all.length) - all.length;

    return (
        <div class="part">
            <Table label="Recipients" columns={recipientColumns} rows={isWhole ? all : all.slice(0, SHOWN)} rowKey={(r) => r.address} />
            {!isWhole && all.length > SHOWN && (
                <div>
                    <Button onClick={() => setWhole(true)}>Show all {count(all.length, 'recipient')}</Button>
                </div>
            )}
            {rest > 0 && <p class="soft">and {count(rest, 'more recipient')}</p>}
        </div>
    );
}

const verdicts = { allowed: ['good', 'Allowed'], blocked: ['bad', 'Blocked'], empty: ['off', 'Empty'], unavailable: ['warn', 'Not scanned'] };

function Verdict({ verdict }) {
    const [tone, text] = verdicts[verdict] ?? ['busy', 'No verdict yet'];

    return <Dot tone={tone}>{text}</Dot>;
}

function FileName({ file }) {
    return (
        <span class="mail-reply">
            <bdi>{visible(file.name)}</bdi>
            <span class="mail-second num">{bytes(file.size)}</span>
        </span>
    );
}

const scanColumns = [
    { title: 'File', isMain: true, width: '36%', cell: (f) => <FileName file={f} /> },
    { title: 'Verdict', width: '9.5rem', cell: (f) => <Verdict verdict={f.verdict} /> },
    { title: 'Found', cell: (f) => (f.reason ? <bdi>{visible(f.reason)}</bdi> : <span class="soft">–</span>) },
    { title: 'Details', hideTitle: true, width: '11rem', cell: (f) => f.link && <LinkOut to={f.link}>View scan details</LinkOut> },
];

export function Scan({ scan }) {
    return (
        <div class="part">
            <h3>Scan</h3>
            {scan.verdict && (
                <p class="row">
                    <Verdict verdict={scan.verdict} />
                    {scan.reason && <bdi>{visible(scan.reason)}</bdi>}
                    {scan.server && <span class="soft mono">{visible(scan.server)}</span>}
                </p>
            )}
            {scan.files?.length > 0 && <Table label="Scanned files" columns={scanColumns} rows={scan.files} rowKey={(f) => f.id ?? f.name} />}
        </div>
    );
}

const uploadColumns = [
    { title: 'File', isMain: true, width: '36%', cell: (f) => <FileName file={f} /> },
    { title: 'State', cell: (f) => (f.whole ? <Dot tone="good">Uploaded</Dot> : <Dot tone="busy">Not there yet</Dot>) },
    { title: 'Where', hideTitle: true, width: '11rem', cell: (f) => f.url && <LinkOut to={f.url}>Open in Vault</LinkOut> },
];

export function Upload({ upload }) {
    return (
        <div class="part">
            <h3>Upload</h3>
            {upload.verdict && (
                <p class="row">
                    <Dot tone="warn">Went on without</Dot>
                    {upload.reason && <bdi>{visible(upload.reason)}</bdi>}
                </p>
            )}
            {upload.files?.length > 0 && <Table label="Uploaded files" columns={uploadColumns} rows={upload.files} rowKey={(f) => f.id ?? f.name} />}
        </div>
    );
}
