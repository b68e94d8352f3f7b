/* A new account, or another name or role for one. */
import { useState } from 'preact/hooks';

import { request } from '../app/api.js';
import { sentence } from '../app/format.js';
import { Button } from '../parts/Button.jsx';
import { Dialog } from '../parts/Dialog.jsx';
import { ChoiceField, TextField } from '../parts/Field.jsx';
import { Banner } from '../parts/Page.jsx';
import { SecretField } from '../parts/SecretField.jsx';
import { PASSWORD_HELP, roles, sentences } from './texts.js';

export function AccountDialog({ account, onClose, onSaved }) {
    const isNew = !account;
    const [name, setName] = useState(account?.name ?? '');
    const [role, setRole] = useState(account?.role ?? 'viewer');
    const [password, setPassword] = useState('');
    const [problem, setProblem] = useState(null);
    const [isBusy, setBusy] = useState(false);
    const errorOf = (property) => problem?.errors.filter((e) => e.property === property);

    async function save(event) {
        event.preventDefault();
        if (isBusy) return;
        setBusy(true);
        try {
            if (isNew) await request('POST', '/accounts', { body: { name, role, password } });
            else await request('PUT', `/accounts/${account.id}`, { body: { name, role }, version: account.version });
            onSaved(name);
        } catch (error) {
            setProblem(error);
            setBusy(false);
        }
    }

    return (
        <Dialog
            title={isNew ? 'New account' : `Change “${account.name}”`}
            onClose={onClose}
            actions={
                <>
                    <Button onClick={onClose}>Cancel</Button>
                    <Button kind="primary" type="submit" form="account" busy={isBusy}>
                        {isNew ? 'Make the account' : 'Save'}
                    </Button>
                </>
            }
        >
            <form id="account" class="stack" onSubmit={save}>
                <TextField label="Name" value={name} maxlength={64} onInput={setName} error={errorOf('name')} autofocus help="For logging in. Upper and lower case are the same." />
                <ChoiceField label="Role" value={role} onInput={setRole} options={roles} error={errorOf('role')} />
                {isNew && <SecretField label="Password" value={password} onInput={setPassword} error={errorOf('password')} help={PASSWORD_HELP} />}
                {!isNew && role !== account.role && (
                    <Banner tone="info">
                        <p>With another role the sessions of this account end.</p>
                    </Banner>
                )}
                {problem && problem.errors.length === 0 && (
                    <Banner tone="bad" title="It was not saved">
                        <p>{sentences[problem.code] ?? sentence(problem)}</p>
                    </Banner>
                )}
            </form>
        </Dialog>
    );
}
