/* One group of settings: a switch, and its fields while it is on. */
import { NumberField, SelectField, SwitchField, TextAreaField, TextField } from '../parts/Field.jsx';
import { errorsOf } from './draft.js';

function profileOptions(profiles, now) {
    const names = profiles.filter((p) => p.type === 'smtp').map((p) => p.name);

    // One that is chosen stays to be seen, whatever has become of it.
    if (now && !names.includes(now)) names.unshift(now);
    return [['', names.length > 0 ? 'Choose a profile' : 'There is no profile of mail servers yet'], ...names.map((name) => [name, name])];
}

function SettingsField({ field, value, onInput, error, profiles, disabled }) {
    const props = { label: field.label, help: field.help, value, onInput, error, disabled, placeholder: field.example };

    if (field.kind === 'profile') return <SelectField {...props} options={profileOptions(profiles, value)} />;
    if (field.kind === 'list') return <TextAreaField {...props} rows={2} />;
    if (field.kind === 'number') return <NumberField {...props} unit={field.unit} placeholder={String(field.fallback)} />;
    return <TextField {...props} />;
}

export function Group({ group, draft, onDraft, problem, profiles, disabled, children }) {
    const isOn = draft.on[group.key];
    const setValue = (path, value) => onDraft({ ...draft, values: { ...draft.values, [path]: value } });

    return (
        <section class="card section" aria-labelledby={`group-${group.key}`}>
            <h2 id={`group-${group.key}`}>{group.title}</h2>
            <p class="soft">{group.text}</p>
            <SwitchField label={group.onLabel} value={isOn} onInput={(on) => onDraft({ ...draft, on: { ...draft.on, [group.key]: on } })} error={errorsOf(problem, group.key)} disabled={disabled} />
            {isOn && (
                <div class="profile-fields">
                    {group.fields.map((field) => (
                        <div key={field.path} class={`settings-field settings-field-${field.kind}`}>
                            <SettingsField field={field} value={draft.values[field.path]} onInput={(value) => setValue(field.path, value)} error={errorsOf(problem, field.path)} profiles={profiles} disabled={disabled} />
                        </div>
                    ))}
                </div>
            )}
            {children}
        </section>
    );
}
