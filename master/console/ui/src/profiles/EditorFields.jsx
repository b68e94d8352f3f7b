/* Fields of the editor, made from the table of properties. */
import { valueAt } from '../app/members.js';
import { Card } from '../parts/Card.jsx';
import { ChoiceField, NumberField, SwitchField, TextAreaField, TextField } from '../parts/Field.jsx';
import { SecretField } from '../parts/SecretField.jsx';
import { fallbackOf } from './fields.js';

function placeholderOf(field, draft) {
    const fallback = fallbackOf(field, draft);

    return field.placeholder ?? (fallback === undefined ? undefined : String(fallback));
}

function helpOf(field, stored) {
    const help = field.help ?? (field.range ? `${field.range}.` : undefined);

    if (!stored?.not_in_effect?.includes(field.path)) return help;
    return `${help ?? ''} Stored, but this version of Postern does not act on it yet.`.trim();
}

export function ProfileField({ editor, field, disabled }) {
    const { draft, stored, setValue, errorsOf, warnings } = editor;
    const props = {
        label: draft.type !== 'smtp' && field.restLabel ? field.restLabel : field.label,
        help: helpOf(field, stored),
        value: draft.values[field.path],
        onInput: (value) => setValue(field.path, value),
        error: errorsOf(field.path),
        warning: warnings[field.path],
        disabled,
    };

    return (
        <div class={`profile-field profile-field-${field.kind}`} data-path={field.path}>
            {field.kind === 'switch' && <SwitchField {...props} />}
            {field.kind === 'choice' && <ChoiceField {...props} options={field.options} columns={field.columns} />}
            {field.kind === 'number' && <NumberField {...props} unit={field.unit} placeholder={placeholderOf(field, draft)} />}
            {field.kind === 'text' && <TextField {...props} placeholder={placeholderOf(field, draft)} />}
            {field.kind === 'area' && <TextAreaField {...props} placeholder={placeholderOf(field, draft)} />}
        </div>
    );
}

export function ProfileSecret({ editor, path, label, help, canRemove, disabled }) {
    const { draft, stored, setSecret, errorsOf, warnings } = editor;

    return (
        <div class="profile-field" data-path={path}>
            <SecretField
                label={label}
                help={help}
                value={draft.secrets[path]}
                isSet={valueAt(stored, `${path}_set`) === true}
                onInput={(value) => setSecret(path, value)}
                error={errorsOf(path)?.map((e) => e.problem)}
                warning={warnings[path]}
                canRemove={canRemove}
                disabled={disabled}
            />
        </div>
    );
}

const isChanged = (field, draft) => {
    const value = draft.values[field.path];

    return field.kind === 'switch' || field.kind === 'choice' ? value !== field.fallback : Boolean(value);
};

/* A part of the form. One that is folded opens by itself when something in it is wrong. */
export function Section({ editor, section, disabled, children }) {
    const { draft, errors, isTried } = editor;
    const fields = section.fields?.filter((f) => f.types.includes(draft.type)) ?? [];
    const changed = fields.filter((f) => isChanged(f, draft)).length;
    const hasError = isTried && fields.some((f) => errors[f.path]);
    const body = (
        <>
            {section.text && <p class="soft">{section.text}</p>}
            {children}
            {fields.length > 0 && (
                <div class="profile-fields">
                    {fields.map((field) => (
                        <ProfileField key={field.path} editor={editor} field={field} disabled={disabled} />
                    ))}
                </div>
            )}
        </>
    );

    if (!children && fields.length === 0) return null;
    return (
        <Card name={section.key} title={section.title} isFolded={section.isFolded} isOpen={hasError} hint={changed === 0 ? 'defaults' : `${changed} changed`}>
            {body}
        </Card>
    );
}
