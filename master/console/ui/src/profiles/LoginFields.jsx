/* How the gateway logs in at the servers. */
import { ChoiceField, SelectField, TextField } from '../parts/Field.jsx';
import { ProfileField, ProfileSecret } from './EditorFields.jsx';
import { account, apiKey, grants, login, oauth, oauthFields } from './fields.js';

function Password({ editor, disabled }) {
    const { draft, setValue, errorsOf } = editor;

    return (
        <div class="profile-fields">
            <div class="profile-field" data-path="username">
                <TextField
                    label={account.username.label}
                    help={account.username.help}
                    value={draft.values.username}
                    onInput={(value) => setValue('username', value)}
                    error={errorsOf('username')}
                    disabled={disabled}
                />
            </div>
            <ProfileSecret editor={editor} path="password" label={account.password.label} help={account.password.help} canRemove={false} disabled={disabled} />
        </div>
    );
}

function OAuth({ editor, disabled }) {
    const { draft, change, errorsOf } = editor;
    const isRefresh = draft.grant === 'refresh_token';

    return (
        <div class="profile-fields">
            <div class="profile-field" data-path="oauth.grant">
                <SelectField label={oauth.grant.label} help={oauth.grant.help} options={grants} value={draft.grant} onInput={(grant) => change({ grant })} error={errorsOf('oauth.grant')} disabled={disabled} />
            </div>
            {oauthFields.map((field) => (
                <ProfileField key={field.path} editor={editor} field={field} disabled={disabled} />
            ))}
            {isRefresh && <ProfileSecret editor={editor} path="oauth.refresh_token" label={oauth.refreshToken.label} help={oauth.refreshToken.help} canRemove={false} disabled={disabled} />}
            <ProfileSecret
                editor={editor}
                path="oauth.client_secret"
                label={oauth.clientSecret.label}
                help={oauth.clientSecret.help}
                canRemove={isRefresh}
                disabled={disabled}
            />
        </div>
    );
}

export function LoginFields({ editor, disabled }) {
    const { draft, change, errorsOf } = editor;

    if (draft.type !== 'smtp')
        return (
            <ProfileSecret
                editor={editor}
                path="api_key"
                label={apiKey.label}
                help={apiKey.helpFor[draft.type]}
                canRemove={draft.type === 'core'}
                disabled={disabled}
            />
        );
    return (
        <>
            <ChoiceField label={login.label} options={login.options} columns value={draft.login} onInput={(login) => change({ login })} error={errorsOf('oauth')} disabled={disabled} />
            {draft.login === 'password' && <Password editor={editor} disabled={disabled} />}
            {draft.login === 'oauth' && <OAuth editor={editor} disabled={disabled} />}
        </>
    );
}
