/* A field that is written and never read: the gateway says only that it is set.
 *
 * `value`: undefined keeps what is set, null removes it, text replaces it. `isSet`: the gateway has
 * one. What was typed can be looked at until it is saved. */
import { useEffect, useRef, useState } from 'preact/hooks';

import { Button } from './Button.jsx';
import { Field } from './Field.jsx';
import { LockIcon } from './icons.jsx';

function Typed({ control, value, onInput, onBack, disabled }) {
    const [isShown, setShown] = useState(false);
    const input = useRef(null);

    useEffect(() => {
        if (onBack) input.current.focus();
    }, []);
    return (
        <span class="secret">
            <input
                ref={input}
                type={isShown ? 'text' : 'password'}
                autocomplete="new-password"
                autocapitalize="none"
                spellcheck={false}
                disabled={disabled}
                {...control}
                value={value ?? ''}
                onInput={(event) => onInput(event.currentTarget.value)}
            />
            {value ? (
                <Button size="small" kind="quiet" aria-pressed={isShown} onClick={() => setShown(!isShown)}>
                    {isShown ? 'Hide' : 'Show'}
                </Button>
            ) : null}
            {onBack && (
                <Button size="small" kind="quiet" onClick={onBack}>
                    Keep the old one
                </Button>
            )}
        </span>
    );
}

export function SecretField({ label, help, error, warning, value, isSet, onInput, canRemove = true, disabled = false }) {
    const isKept = isSet && value === undefined;
    const isRemoved = isSet && value === null;

    return (
        <Field label={label} help={help} error={error} warning={warning}>
            {(control) => {
                if (isKept || isRemoved)
                    return (
                        <span class="secret secret-set" role="group" {...control}>
                            <LockIcon size={16} />
                            <span class="secret-state">{isRemoved ? 'Removed when saved' : 'Is set'}</span>
                            {!disabled && isRemoved && (
                                <Button size="small" onClick={() => onInput(undefined)}>
                                    Keep it
                                </Button>
                            )}
                            {!disabled && isKept && (
                                <>
                                    <Button size="small" onClick={() => onInput('')} aria-label={`Replace: ${label}`}>
                                        Replace
                                    </Button>
                                    {canRemove && (
                                        <Button size="small" kind="quiet" onClick={() => onInput(null)} aria-label={`Remove: ${label}`}>
                                            Remove
                                        </Button>
                                    )}
                                </>
                            )}
                        </span>
                    );
                return <Typed control={control} value={value} onInput={onInput} onBack={isSet ? () => onInput(undefined) : null} disabled={disabled} />;
            }}
        </Field>
    );
}
