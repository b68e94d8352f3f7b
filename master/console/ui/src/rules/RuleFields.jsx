/* The fields of a rule, made from the table of properties. */
import { Link } from '../app/router.jsx';
import { ChoiceField, SelectField, SwitchField, TextAreaField, TextField } from '../parts/Field.jsx';
import { typeNames } from '../profiles/fields.js';

const ROWS_MIN = 2;
const ROWS_MAX = 12;

function ProfileChoice({ field, profiles, value, ...props }) {
    const names = profiles.filter((p) => p.type === field.type).map((p) => p.name);
    const none = field.none ?? (names.length > 0 ? 'Choose a profile' : 'There is none yet');
    const options = [['', none], ...[...names, ...(value && !names.includes(value) ? [value] : [])].map((n) => [n, n])];
    const help = (
        <>
            {field.help}
            {names.length === 0 && !props.disabled && (
                <>
                    {' '}
                    <Link to="/profiles/new">Make a profile for {typeNames[field.type]}</Link> first.
                </>
            )}
        </>
    );

    return <SelectField {...props} help={help} options={options} value={value} />;
}

function ListField({ value, ...props }) {
    const lines = value.split('\n').length;

    return <TextAreaField {...props} value={value} rows={Math.min(Math.max(lines, ROWS_MIN), ROWS_MAX)} />;
}

function helpOf(field, stored) {
    return stored?.not_in_effect?.includes(field.path) ? `${field.help} Stored, but this version of Postern does not act on it yet.` : field.help;
}

export function RuleField({ editor, field, profiles, disabled }) {
    const { draft, setValue, errors, warnings } = editor;
    const props = {
        label: field.label,
        help: helpOf(field, editor.stored),
        value: draft[field.path],
        onInput: (value) => setValue(field.path, value),
        error: errors[field.path],
        warning: warnings[field.path],
        disabled,
    };

    return (
        <div class={`profile-field rule-field-${field.kind}`} data-path={field.path}>
            {field.kind === 'switch' && <SwitchField {...props} />}
            {field.kind === 'choice' && <ChoiceField {...props} options={field.options} columns={field.columns} />}
            {field.kind === 'text' && <TextField {...props} placeholder={field.placeholder} />}
            {field.kind === 'list' && <ListField {...props} placeholder={field.placeholder} />}
            {field.kind === 'profile' && <ProfileChoice {...props} field={field} profiles={profiles} />}
        </div>
    );
}
