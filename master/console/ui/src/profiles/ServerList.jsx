/* The servers of a profile: typed, put in order, with the form they are stored in and their health. */
import { useRef } from 'preact/hooks';

import { Button } from '../parts/Button.jsx';
import { TextField, Findings } from '../parts/Field.jsx';
import { Health, HealthNote } from '../parts/Health.jsx';
import { PlusIcon, TrashIcon } from '../parts/icons.jsx';
import { moved, SortList } from '../parts/SortList.jsx';
import { newServer } from './draft.js';
import { serverExamples } from './fields.js';
import { ServerMenu } from './ServerMenu.jsx';

const MAX = { smtp: 64, core: 64, vault: 1 };

function StoredForm({ typed, form }) {
    if (!form || form === typed) return null;
    return (
        <p class="stored-form">
            stored as <code>{form}</code>
        </p>
    );
}

function ServerRow({ editor, server, index, handle, health, onOrder, disabled, onRemove, onEnter }) {
    const { draft, change, errorsOf, warnings, storedForms, base, canChange } = editor;
    const path = `servers[${index}]`;
    const form = storedForms[server.text];
    const isOnly = draft.servers.length === 1;
    const live = health[base.servers.findIndex((s) => s.text === server.text)];

    function setText(text) {
        change({ servers: draft.servers.map((s) => (s.key === server.key ? { ...s, text } : s)) });
    }

    function keyPressed(event) {
        if (event.key !== 'Enter') return;
        event.preventDefault();
        onEnter();
    }

    return (
        <div class="server-row">
            {draft.type !== 'vault' && canChange && handle}
            <div class="server-field" data-path={path}>
                <TextField
                    label={`Server ${index + 1}`}
                    hideLabel
                    inputmode="url"
                    value={server.text}
                    onInput={setText}
                    onKeyDown={keyPressed}
                    placeholder={index === 0 ? serverExamples[draft.type] : ''}
                    error={errorsOf(path)}
                    warning={warnings[path]}
                    disabled={disabled}
                />
            </div>
            <div class="server-state">
                {live && <Health server={live} />}
                {live && canChange && <ServerMenu server={live} onDone={onOrder} />}
                {canChange && !isOnly && <Button kind="quiet" icon={TrashIcon} label={`Remove server ${index + 1}`} disabled={disabled} onClick={onRemove} />}
            </div>
            <div class="server-notes">
                <StoredForm typed={server.text} form={form} />
                <HealthNote server={live} />
            </div>
        </div>
    );
}

export function ServerList({ editor, health, onOrder, disabled }) {
    const { draft, change, errorsOf, canChange } = editor;
    const frame = useRef(null);
    const general = errorsOf('servers');

    const focusRow = (index) => requestAnimationFrame(() => frame.current?.querySelectorAll('.server-row input')[index]?.focus());

    function add() {
        change({ servers: [...draft.servers, newServer()] });
        focusRow(draft.servers.length);
    }

    function remove(index) {
        change({ servers: draft.servers.filter((_, i) => i !== index) });
        focusRow(Math.max(0, index - 1));
    }

    return (
        <div class="stack" ref={frame} data-path="servers">
            <SortList
                label="Servers in their order"
                class="server-list"
                items={draft.servers}
                keyOf={(s) => s.key}
                nameOf={(s) => s.text || 'the empty server'}
                disabled={disabled}
                onMove={(from, to) => change({ servers: moved(draft.servers, from, to) })}
            >
                {(server, index, handle) => (
                    <ServerRow
                        editor={editor}
                        server={server}
                        index={index}
                        handle={handle}
                        health={health}
                        onOrder={onOrder}
                        disabled={disabled}
                        onRemove={() => remove(index)}
                        onEnter={() => (draft.servers.length < MAX[draft.type] ? add() : null)}
                    />
                )}
            </SortList>
            {general && <Findings tone="bad" list={general} />}
            {canChange && draft.servers.length < MAX[draft.type] && (
                <div>
                    <Button icon={PlusIcon} disabled={disabled} onClick={add}>
                        Add a server
                    </Button>
                </div>
            )}
        </div>
    );
}
