/* A new key for the secrets; taking the configuration out of the gateway and into another. */
import { useState } from 'preact/hooks';

import { get, request } from '../app/api.js';
import { useCanChange } from '../app/session.js';
import { Button } from '../parts/Button.jsx';
import { ask } from '../parts/Dialog.jsx';
import { KeyIcon } from '../parts/icons.jsx';
import { toast } from '../parts/Toast.jsx';
import { Import } from './Import.jsx';

async function download() {
    try {
        const everything = await get('/export');
        const link = document.createElement('a');

        link.href = URL.createObjectURL(new Blob([`${JSON.stringify(everything, null, 2)}\n`], { type: 'application/json' }));
        link.download = `postern-${new Date().toISOString().slice(0, 10)}.json`;
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    } catch (problem) {
        toast(problem, { tone: 'bad' });
    }
}

async function rotate(setBusy) {
    const isSure = await ask({
        title: 'Seal all secrets under a new key?',
        text: 'A new key is made, every stored password and API key is sealed with it, and the old key is dropped. Backups of the store that were made before can then only be read with the key file of that time.',
        yes: 'Make a new key',
        isDanger: true,
    });

    if (!isSure) return;
    setBusy(true);
    try {
        await request('POST', '/key/rotate');
        toast('All secrets are sealed under a new key.');
    } catch (problem) {
        toast(problem, { tone: 'bad' });
    }
    setBusy(false);
}

export function Maintenance({ onImported }) {
    const canChange = useCanChange();
    const [isRotating, setRotating] = useState(false);

    return (
        <>
            <section class="card section" aria-labelledby="transfer">
                <h2 id="transfer">Export and import</h2>
                <p class="soft">Profiles, rules and settings as one file, without any secret: to keep, to compare, or to set up another gateway. Of what is imported, things of the same name are replaced; what the file does not name stays.</p>
                <div class="row">
                    <Button onClick={download}>Export</Button>
                    {canChange && <Import onImported={onImported} />}
                </div>
            </section>
            {canChange && (
                <section class="card section" aria-labelledby="key">
                    <h2 id="key">Key of the secrets</h2>
                    <p class="soft">Passwords and API keys are stored sealed. Make a new key when somebody may have seen the present one, or when your rules ask for it.</p>
                    <div class="row">
                        <Button icon={KeyIcon} busy={isRotating} onClick={() => rotate(setRotating)}>
                            Make a new key…
                        </Button>
                    </div>
                </section>
            )}
        </>
    );
}
