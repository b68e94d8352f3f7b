/* Another password for somebody's account. One's own is changed in the account menu. */
import { useState } from 'preact/hooks';

import { request } from '../app/api.js';
import { sentence } from '../app/format.js';
import { Button } from '../parts/Button.jsx';
import { Dialog } from '../parts/Dialog.jsx';
import { Banner } from '../parts/Page.jsx';
import { SecretField } from '../parts/SecretField.jsx';
import { PASSWORD_HELP } from './texts.js';

export function PasswordDialog({ account, onClose, onSaved }) {
    const [password, setPassword] = useState('');
    const [problem, setProblem] = useState(null);
    const [isBusy, setBusy] = useState(false);

    async function save(event) {
        event.preventDefault();
        if (isBusy) return;
        setBusy(true);
        try {
            await request('POST', `/accounts/${account.id}/password`, { body: { password } });
            onSaved();
        } catch (error) {
            setProblem(error);
            setBusy(false);
        }
    }

    return (
        <Dialog
            title={`New password for “${account.name}”`}
            onClose={onClose}
            actions={
                <>
                    <Button onClick={onClose}>Cancel</Button>
                    <Button kind="primary" type="submit" form="account-password" busy={isBusy}>
                        Set it
                    </Button>
                </>
            }
        >
            <form id="account-password" class="stack" onSubmit={save}>
                <p>The old one counts no longer, and where this account is logged in its sessions end.</p>
                <SecretField label="New password" value={password} onInput={setPassword} error={problem?.errors.filter((e) => e.property === 'password')} help={PASSWORD_HELP} />
                {problem && problem.errors.length === 0 && (
                    <Banner tone="bad" title="It was not changed">
                        <p>{sentence(problem)}</p>
                    </Banner>
                )}
            </form>
        </Dialog>
    );
}
