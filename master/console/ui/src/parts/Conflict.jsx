/* Somebody else saved meanwhile: both versions side by side, and a choice. Nothing is merged by itself.
 *
 * rows: [{ path, title, mine, theirs, isBoth, pick }], mine and theirs as they are shown. `audit`: the
 * entry of who saved, if it is known. onSave gets the rows with what was picked. */
import { useState } from 'preact/hooks';

import { whoOf } from '../audit/entries.js';
import { Button } from './Button.jsx';
import { Dialog } from './Dialog.jsx';
import { Time } from './Time.jsx';

function Side({ name, row, onPick }) {
    return (
        <label class="conflict-side">
            <input type="radio" name={`pick-${row.path}`} checked={row.pick === name} onChange={onPick} />
            <span>{row[name]}</span>
        </label>
    );
}

export function Conflict({ what, began, now, audit, rows: found, same, saveText, onSave, onDiscard, onClose }) {
    const [rows, setRows] = useState(found);
    const pick = (path, side) => setRows(rows.map((r) => (r.path === path ? { ...r, pick: side } : r)));

    return (
        <Dialog
            size="wide"
            title={`Somebody saved this ${what} meanwhile`}
            onClose={onClose}
            actions={
                <>
                    <Button onClick={onDiscard}>Take all of theirs</Button>
                    <Button kind="primary" onClick={() => onSave(rows)}>
                        {saveText}
                    </Button>
                </>
            }
        >
            <p>
                You began with version {began}; version {now} is stored now
                {audit && (
                    <>
                        {' '}
                        (by {whoOf(audit).name}, <Time at={audit.time} />)
                    </>
                )}
                . Nothing of yours is saved yet. Choose for each difference which one shall count.
            </p>
            {rows.length === 0 ? (
                <p>{same}</p>
            ) : (
                <table class="conflict">
                    <thead>
                        <tr>
                            <th scope="col">Property</th>
                            <th scope="col">Stored now</th>
                            <th scope="col">Yours</th>
                        </tr>
                    </thead>
                    <tbody>
                        {rows.map((row) => (
                            <tr key={row.path}>
                                <th scope="row">
                                    {row.title}
                                    {row.isBoth && <span class="tag tag-warn">changed by both</span>}
                                </th>
                                <td data-title="Stored now">
                                    <Side name="theirs" row={row} onPick={() => pick(row.path, 'theirs')} />
                                </td>
                                <td data-title="Yours">
                                    <Side name="mine" row={row} onPick={() => pick(row.path, 'mine')} />
                                </td>
                            </tr>
                        ))}
                    </tbody>
                </table>
            )}
        </Dialog>
    );
}
