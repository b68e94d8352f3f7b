/* Fields of a form. Each has a label, a help sentence, and its error beside it.
 *
 *   <TextField label="Name" value={v} onInput={setV} error={problem} help="Shown in lists." />
 *
 * `value` is text; `onInput` gets the new value itself, not an event. `error` and `warning` are texts
 * or what the API gave: {problem, allowed}. <Field> is for controls of another kind: its child is a
 * function that gets the attributes which tie label, help and error to the control. */
import { useId } from 'preact/hooks';

import { upper } from '../app/format.js';
import { InfoIcon, WarningIcon } from './icons.jsx';

function textOf(finding) {
    if (typeof finding === 'string') return finding;
    // What belongs in an empty field is its help's to say.
    return finding.allowed && !finding.problem.startsWith('is missing') ? `${finding.problem}. Allowed: ${finding.allowed}` : finding.problem;
}

/* Several findings about one field stand below each other. */
export function Findings({ id, tone, list }) {
    const Icon = tone === 'bad' ? WarningIcon : InfoIcon;

    return (
        <div id={id} class={`finding finding-${tone}`}>
            {[list].flat().map((finding, i) => (
                <p key={i}>
                    <Icon size={16} />
                    <span>{upper(textOf(finding))}</span>
                </p>
            ))}
        </div>
    );
}

function isThere(finding) {
    return Array.isArray(finding) ? finding.length > 0 : Boolean(finding);
}

export function Field({ label, help, error, warning, hideLabel = false, isGroup = false, class: extra = '', children }) {
    const id = useId();
    const hasError = isThere(error);
    const hasWarning = isThere(warning);
    const described = [help && `${id}-help`, hasError && `${id}-error`, hasWarning && `${id}-warning`].filter(Boolean).join(' ') || undefined;
    const control = {
        'aria-describedby': described,
        'aria-invalid': hasError ? 'true' : undefined,
        ...(isGroup ? { 'aria-labelledby': `${id}-label` } : { id }),
    };
    const Label = isGroup ? 'span' : 'label';

    return (
        <div class={`field ${extra} ${hasError ? 'has-error' : ''}`}>
            <Label class={hideLabel ? 'sr-only' : 'field-label'} id={`${id}-label`} for={isGroup ? undefined : id}>
                {label}
            </Label>
            {children(control)}
            {hasError && <Findings id={`${id}-error`} tone="bad" list={error} />}
            {hasWarning && <Findings id={`${id}-warning`} tone="warn" list={warning} />}
            {help && (
                <p class="field-help" id={`${id}-help`}>
                    {help}
                </p>
            )}
        </div>
    );
}

function split(props) {
    const { label, help, error, warning, hideLabel, class: extra, value, onInput, ...rest } = props;

    return { field: { label, help, error, warning, hideLabel, class: extra }, value, onInput, rest };
}

export function TextField(props) {
    const { field, value, onInput, rest } = split(props);

    return (
        <Field {...field}>
            {(control) => (
                <input
                    type="text"
                    autocomplete="off"
                    autocapitalize="none"
                    spellcheck={false}
                    {...control}
                    {...rest}
                    value={value ?? ''}
                    onInput={(event) => onInput(event.currentTarget.value)}
                />
            )}
        </Field>
    );
}

/* `unit` stands behind the figure. The value stays text: what is no number is the API's to judge. */
export function NumberField({ unit, ...props }) {
    const { field, value, onInput, rest } = split(props);

    return (
        <Field {...field}>
            {(control) => (
                <span class="with-unit">
                    <input
                        type="text"
                        inputmode="decimal"
                        autocomplete="off"
                        class="num"
                        {...control}
                        {...rest}
                        value={value ?? ''}
                        onInput={(event) => onInput(event.currentTarget.value)}
                    />
                    {unit && <span class="unit">{unit}</span>}
                </span>
            )}
        </Field>
    );
}

export function TextAreaField(props) {
    const { field, value, onInput, rest } = split(props);

    return (
        <Field {...field}>
            {(control) => (
                <textarea
                    rows={4}
                    autocomplete="off"
                    spellcheck={false}
                    {...control}
                    {...rest}
                    value={value ?? ''}
                    onInput={(event) => onInput(event.currentTarget.value)}
                />
            )}
        </Field>
    );
}

/* options: [[value, text], ...] */
export function SelectField({ options, ...props }) {
    const { field, value, onInput, rest } = split(props);

    return (
        <Field {...field}>
            {(control) => (
                <span class="select">
                    <select {...control} {...rest} value={value ?? ''} onChange={(event) => onInput(event.currentTarget.value)}>
                        {options.map(([name, text]) => (
                            <option key={name} value={name}>
                                {text}
                            </option>
                        ))}
                    </select>
                </span>
            )}
        </Field>
    );
}

/* A yes or no. `value` is a boolean. */
export function SwitchField(props) {
    const { field, value, onInput, rest } = split(props);
    const id = useId();

    return (
        <div class="field field-switch">
            <input
                id={id}
                type="checkbox"
                role="switch"
                aria-describedby={field.help ? `${id}-help` : undefined}
                aria-invalid={isThere(field.error) ? 'true' : undefined}
                {...rest}
                checked={Boolean(value)}
                onChange={(event) => onInput(event.currentTarget.checked)}
            />
            <label for={id} class="field-label">
                {field.label}
            </label>
            {isThere(field.error) && <Findings tone="bad" list={field.error} />}
            {isThere(field.warning) && <Findings tone="warn" list={field.warning} />}
            {field.help && (
                <p class="field-help" id={`${id}-help`}>
                    {field.help}
                </p>
            )}
        </div>
    );
}

/* One of a few, all of them explained: options: [[value, text, help], ...] */
export function ChoiceField({ options, columns, disabled, ...props }) {
    const { field, value, onInput } = split(props);
    const name = useId();

    return (
        <Field {...field} isGroup>
            {(control) => (
                <div role="radiogroup" class={`choices ${columns ? 'choices-columns' : ''}`} {...control}>
                    {options.map(([option, text, help]) => (
                        <label key={option} class="choice">
                            <input type="radio" name={name} value={option} disabled={disabled} checked={value === option} onChange={() => onInput(option)} />
                            <span class="choice-text">{text}</span>
                            {help && <span class="choice-help">{help}</span>}
                        </label>
                    ))}
                </div>
            )}
        </Field>
    );
}
