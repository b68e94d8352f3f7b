/* Who one is, the theme, the own password, and the way out. */
import { useState } from 'preact/hooks';

import { Button } from '../parts/Button.jsx';
import { Dialog } from '../parts/Dialog.jsx';
import { SecretField } from '../parts/SecretField.jsx';
import { AccountsIcon, KeyIcon, LogOutIcon } from '../parts/icons.jsx';
import { toast } from '../parts/Toast.jsx';
import { request } from './api.js';
import { sentence } from './format.js';
import { logOut } from './session.js';
import { useStore } from './store.js';
import { setTheme, theme } from './theme.js';

const THEMES = [
    ['system', 'Auto'],
    ['light', 'Light'],
    ['dark', 'Dark'],
];

function ThemeChoice() {
    const now = useStore(theme);

    return (
        <div class="segments" role="radiogroup" aria-label="Theme">
            {THEMES.map(([name, text]) => (
                <label key={name} class="segment">
                    <input type="radio" name="theme" checked={now === name} onChange={() => setTheme(name)} />
                    <span>{text}</span>
                </label>
            ))}
        </div>
    );
}

function PasswordDialog({ account, onClose }) {
    const [old, setOld] = useState('');
    const [next, setNext] = useState('');
    const [problem, setProblem] = useState(null);
    const [isBusy, setBusy] = useState(false);

    async function save(event) {
        event.preventDefault();
        if (isBusy) return;
        setBusy(true);
        try {
            await request('POST', '/sessions/current/password', { body: { old, new: next } });
            toast('Your password is changed. Your other sessions have ended.');
            onClose();
        } catch (error) {
            setProblem(error);
            setBusy(false);
        }
    }

    const errorOf = (name) => problem?.errors.filter((e) => e.property === name);
    const others = problem && problem.errors.length === 0 ? sentence(problem) : null;

    return (
        <Dialog
            title="Change your password"
            onClose={onClose}
            actions={
                <>
                    <Button onClick={onClose}>Cancel</Button>
                    <Button kind="primary" type="submit" form="own-password" busy={isBusy}>
                        Change it
                    </Button>
                </>
            }
        >
            <form id="own-password" class="stack" onSubmit={save}>
                <input type="text" autocomplete="username" value={account} readonly hidden /> {/* for password managers */}
                <SecretField label="Present password" value={old} onInput={setOld} error={errorOf('old')} />
                <SecretField label="New password" value={next} onInput={setNext} error={[...(errorOf('new') ?? []), others].filter(Boolean)} help="At least 12 characters." />
            </form>
        </Dialog>
    );
}

const ROLES = { admin: 'Administrator', viewer: 'Viewer' };

export function AccountMenu({ session, isWide = false }) {
    const [isChanging, setChanging] = useState(false);

    async function leave() {
        try {
            await logOut();
        } catch (problem) {
            toast(problem, { tone: 'bad' });
        }
    }

    return (
        <div class={`account ${isWide ? 'account-wide' : ''}`}>
            <p class="account-name">
                <AccountsIcon />
                <span>
                    <strong>{session.account}</strong>
                    <small>{ROLES[session.role] ?? session.role}</small>
                </span>
            </p>
            <ThemeChoice />
            <div class="account-actions">
                <Button kind="quiet" size="small" icon={KeyIcon} onClick={() => setChanging(true)}>
                    Password
                </Button>
                <Button kind="quiet" size="small" icon={LogOutIcon} onClick={leave}>
                    Log out
                </Button>
            </div>
            {isChanging && <PasswordDialog account={session.account} onClose={() => setChanging(false)} />}
        </div>
    );
}
