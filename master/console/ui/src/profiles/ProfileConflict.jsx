/* Two people changed one profile. */
import { useState } from 'preact/hooks';

import { Conflict } from '../parts/Conflict.jsx';
import { inputOf } from './draft.js';
import { labelOf } from './fields.js';
import { differences, mergedDraft, shown } from './merge.js';

export function ProfileConflict({ editor, onSave }) {
    const { conflict, stored, draft, discard, setConflict } = editor;
    const { theirs, audit } = conflict;
    const [rows] = useState(() => differences(stored, inputOf(draft, null), theirs));
    const picked = (list) => rows.map((row, i) => ({ ...row, pick: list[i].pick }));

    return (
        <Conflict
            what="profile"
            began={stored.version}
            now={theirs.version}
            audit={audit}
            rows={rows.map((r) => ({ ...r, title: labelOf(r.path), mine: shown(r.path, r.mine), theirs: shown(r.path, r.theirs) }))}
            same="Both say the same, except perhaps for secrets, which cannot be compared."
            saveText="Test and save what is chosen"
            onSave={(list) => onSave(mergedDraft(draft, theirs, picked(list)), theirs)}
            onDiscard={() => discard(theirs)}
            onClose={() => setConflict(null)}
        />
    );
}
