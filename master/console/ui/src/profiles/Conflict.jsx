/* Somebody else saved the profile meanwhile: both versions side by side, and a choice. Nothing is merged
 * by itself. */
import { useState } from 'preact/hooks';

import { Button } from '../parts/Button.jsx';
import { Dialog } from '../parts/Dialog.jsx';
import { Time } from '../parts/Time.jsx';
import { inputOf } from './draft.js';
import { labelOf } from './fields.js';
import { differences, mergedDraft, shown } from './merge.js';

function Side({ name, row, value, onPick }) {
    return (
        <label class="conflict-side">
            <input type="radio" name={`pick-${row.path}`} checked={row.pick === name} onChange={onPick} />
            <span>{shown(row.path, value)}</span>
        </label>
    );
}

export function Conflict({ editor, onSave }) {
    const { conflict, stored, draft, discard, setConflict } = editor;
    const { theirs, audit } = conflict;
    const [rows, setRows] = useState(() => differences(stored, inputOf(draft, null), theirs));

    const pick = (path, side) => setRows(rows.map((r) => (r.path === path ? { ...r, pick: side } : r)));

    return (
        <Dialog
            size="wide"
            title="Somebody saved this profile meanwhile"
            onClose={() => setConflict(null)}
            actions={
                <>
                    <Button onClick={() => discard(theirs)}>Take all of theirs</Button>
                    <Button kind="primary" onClick={() => onSave(mergedDraft(draft, theirs, rows), theirs)}>
                        Test and save what is chosen
                    </Button>
                </>
            }
        >
            <p>
                You began with version {stored.version}; version {theirs.version} is stored now
                {audit && (
                    <>
                        {' '}
                        (<span class="mono">{audit.who}</span>, <Time at={audit.time} />)
                    </>
                )}
                . Nothing of yours is saved yet. Choose for each difference which one shall count.
            </p>
            {rows.length === 0 ? (
                <p>Both say the same, except perhaps for secrets, which cannot be compared.</p>
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
                                    {labelOf(row.path)}
                                    {row.isBoth && <span class="tag tag-warn">changed by both</span>}
                                </th>
                                <td data-title="Stored now">
                                    <Side name="theirs" row={row} value={row.theirs} onPick={() => pick(row.path, 'theirs')} />
                                </td>
                                <td data-title="Yours">
                                    <Side name="mine" row={row} value={row.mine} onPick={() => pick(row.path, 'mine')} />
                                </td>
                            </tr>
                        ))}
                    </tbody>
                </table>
            )}
        </Dialog>
    );
}
