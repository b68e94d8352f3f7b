/* Deleting a profile: what uses it stands here before one tries. */
import { useState } from 'preact/hooks';

import { request } from '../app/api.js';
import { sentence } from '../app/format.js';
import { Link } from '../app/router.jsx';
import { Button } from '../parts/Button.jsx';
import { Dialog } from '../parts/Dialog.jsx';
import { Banner, Skeleton } from '../parts/Page.jsx';
import { toast } from '../parts/Toast.jsx';
import { useLoad } from '../app/poll.js';
import { usersOf } from './users.js';

export function DeleteDialog({ profile, onClose, onDeleted }) {
    const rules = useLoad('/rules');
    const settings = useLoad('/settings');
    const [problem, setProblem] = useState(null);
    const [isBusy, setBusy] = useState(false);
    const isKnown = rules.data !== null && settings.data !== null;
    const users = isKnown ? usersOf(profile, rules.data.rules, settings.data) : [];
    const reasons = problem?.errors.length > 0 ? problem.errors.map((e) => e.problem) : [];

    async function remove() {
        setBusy(true);
        try {
            await request('DELETE', `/profiles/${profile.id}`, { version: profile.version });
            toast(`Profile “${profile.name}” is deleted.`);
            onDeleted();
        } catch (error) {
            setProblem(error);
            setBusy(false);
        }
    }

    return (
        <Dialog
            title={`Delete “${profile.name}”?`}
            onClose={onClose}
            actions={
                <>
                    <Button onClick={onClose}>Cancel</Button>
                    <Button kind="danger" busy={isBusy} disabled={!isKnown || users.length > 0} onClick={remove}>
                        Delete
                    </Button>
                </>
            }
        >
            {!isKnown && <Skeleton lines={2} />}
            {isKnown && users.length === 0 && <p>No rule and no setting uses it. If queued mail still needs it, the gateway will say so and keep it. Its secrets are gone for good.</p>}
            {users.length > 0 && (
                <>
                    <p>It cannot be deleted while it is used:</p>
                    <ul class="users">
                        {users.map((user) => (
                            <li key={user.text}>
                                <Link to={user.to} onClick={onClose}>
                                    {user.text}
                                </Link>
                            </li>
                        ))}
                    </ul>
                </>
            )}
            {problem && (
                <Banner tone="bad" title={sentence(problem)}>
                    {reasons.map((text) => (
                        <p key={text}>{text}</p>
                    ))}
                </Banner>
            )}
        </Dialog>
    );
}
