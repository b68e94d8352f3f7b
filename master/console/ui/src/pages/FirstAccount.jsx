/* The very first account, made with the code that the gateway wrote into its log. */
import { useState } from 'preact/hooks';

import { sentence } from '../app/format.js';
import { createFirst, startSession } from '../app/session.js';
import { Button } from '../parts/Button.jsx';
import { TextField } from '../parts/Field.jsx';
import { Banner } from '../parts/Page.jsx';
import { SecretField } from '../parts/SecretField.jsx';
import { GateFrame } from './LogIn.jsx';

export function FirstAccount() {
    const [code, setCode] = useState('');
    const [name, setName] = useState('');
    const [password, setPassword] = useState('');
    const [problem, setProblem] = useState(null);
    const [isBusy, setBusy] = useState(false);

    async function submit(event) {
        event.preventDefault();
        if (isBusy) return;
        setBusy(true);
        setProblem(null);
        try {
            await createFirst(code.trim(), name, password);
        } catch (error) {
            if (error.code === 'not_needed') startSession(); // somebody else has made it
            setProblem(error);
            setBusy(false);
        }
    }

    const isWrongCode = problem?.code === 'code';
    const errorOf = (property) => problem?.errors.filter((e) => e.property === property);

    return (
        <GateFrame title="Welcome to Postern" text="There is no account yet. Make the first one; it is an administrator's.">
            <form class="gate-card stack" onSubmit={submit}>
                <TextField
                    label="One-time code"
                    value={code}
                    onInput={setCode}
                    error={isWrongCode ? 'This is not the code; a restart of the gateway makes another.' : errorOf('code')}
                    class="field-code"
                    required
                    help="The gateway wrote it into its log when it started. Without it: posternctl account add NAME --role admin, on the gateway itself."
                />
                <TextField label="Name" autocomplete="username" value={name} onInput={setName} error={errorOf('name')} required />
                <SecretField label="Password" value={password} onInput={setPassword} error={errorOf('password')} help="At least 12 characters, such as a few words that nobody else would put together." />
                <div role="alert">
                    {problem && !isWrongCode && problem.errors.length === 0 && (
                        <Banner tone="bad" role="presentation">
                            <p>{sentence(problem)}</p>
                        </Banner>
                    )}
                </div>
                <Button kind="primary" type="submit" busy={isBusy}>
                    Make the account
                </Button>
            </form>
        </GateFrame>
    );
}
