/* shows/system.mjs: settings, accounts, the audit log, export and import. */
import { readFile } from 'node:fs/promises';

import { same, until } from '../until.mjs';

export async function settings(stage) {
    const { profile, mailbox } = stage.given;
    const visit = await stage.visit({ as: 'admin', path: '/settings' });
    const postmaster = visit.page.getByRole('region', { name: 'Mail for postmaster' });
    const alerts = visit.page.getByRole('region', { name: 'Alerts by mail' });

    await visit.field('Deliver mail for postmaster').check();
    await visit.field('Send alerts by mail').check();
    await alerts.getByLabel('To', { exact: true }).fill(`${mailbox}\nx`);
    await visit.button('Save').click();
    await visit.isMarked('Mailbox');
    await visit.text(/“x” has no @/, alerts).waitFor();
    await visit.checkAccess('settings with mistakes');
    await visit.field('Mailbox').fill(mailbox);
    await postmaster.getByLabel('Relay by').selectOption(profile);
    await alerts.getByLabel('To', { exact: true }).fill(mailbox);
    await alerts.getByLabel('From', { exact: true }).fill('gateway@example.test');
    await alerts.getByLabel('Relay by').selectOption(profile);
    await alerts.getByLabel('Queue longer than').fill('77');
    await visit.button('Save').click();
    await visit.text('The settings are saved.').waitFor();
    await visit.button('Send a test alert').click();
    await visit.text('A test alert is in the queue.').waitFor();
    await visit.page.reload();
    same(await alerts.getByLabel('Queue longer than').inputValue(), '77', 'the threshold after a reload');
}

/* Somebody else was quicker: nothing is lost, and nothing is overwritten unasked. */
export async function settings_conflict(stage) {
    const visit = await stage.visit({ as: 'admin', path: '/settings' });

    await visit.field('Mailbox').fill('mine@example.test');
    await stage.call('change');
    await visit.button('Save').click();
    const dialog = visit.dialog('Somebody saved this page meanwhile');

    for (const text of ['mine@example.test', 'theirs@example.test', 'changed by both']) await visit.text(text, dialog).waitFor();
    await visit.checkAccess('two versions of the settings');
    same(await stage.call('mailbox'), 'theirs@example.test', 'what is stored');
    await visit.button('Save what is chosen', dialog).click();
    await visit.text('The settings are saved.').waitFor();
    same(await stage.call('mailbox'), 'mine@example.test', 'what is stored then');
}

export async function accounts(stage) {
    const { name, password, next } = stage.given;
    const visit = await stage.visit({ as: 'admin', path: '/accounts' });

    await visit.button('New account').click();
    const made = visit.dialog('New account');

    await visit.field('Name').fill(name);
    await visit.field('Password').fill('short');
    await visit.button('Make the account', made).click();
    await visit.isMarked('Password');
    await visit.field('Password').fill(password);
    await visit.button('Make the account', made).click();
    await visit.text(`The account “${name}” is made.`).waitFor();

    const other = await stage.visit({ path: '/' });

    await other.logIn({ name, password });
    await other.isIn();
    await other.go('/accounts');
    await other.isAt('Not found'); // it is a viewer
    await visit.button(`Log out ${name} from 127.0.0.1`).click();
    await visit.button('Log out', visit.dialog(`Log “${name}” out?`)).click();
    await visit.text(`The session of “${name}” has ended.`).waitFor();
    await other.go('/');
    await other.isAt('Log in');

    await visit.pick(`Actions for ${name}`, 'Name and role…');
    await visit.page.getByRole('radio', { name: /^Administrator/ }).check();
    await visit.button('Save').click();
    await visit.text(`The account “${name}” is saved.`).waitFor();
    await visit.pick(`Actions for ${name}`, 'New password…');
    await visit.field('New password').fill(next);
    await visit.button('Set it').click();
    await visit.text(`“${name}” has a new password.`).waitFor();
    await other.logIn({ name, password: next });
    await other.isIn();
    await other.go('/accounts');
    await other.isAt('Accounts');
    await visit.pick(`Actions for ${name}`, 'Delete…');
    await visit.button('Delete', visit.dialog(`Delete the account “${name}”?`)).click();
    await visit.text(`The account “${name}” is deleted.`).waitFor();
    await other.go('/accounts');
    await other.isAt('Log in');
}

export async function last_admin(stage) {
    const visit = await stage.visit({ as: 'admin', path: '/accounts' });

    await visit.pick('Actions for admin', 'Delete…');
    await visit.button('Delete').click();
    await visit.text('This is the last administrator: somebody must be able to change things here. Make another one first.').waitFor();
    await visit.isAt('Accounts');
}

export async function audit(stage) {
    const { found, hidden } = stage.given;
    const visit = await stage.visit({ as: 'viewer', path: '/audit' });
    const table = visit.page.getByRole('table', { name: 'Audit log' });
    const rows = async () => (await table.getByRole('row').allInnerTexts()).slice(1).join('\n');

    await visit.text(hidden, table).waitFor();
    await visit.field('Filter').fill(`created ${found}`);
    await until('the filter counts', async () => !(await rows()).includes(hidden));
    if (!(await rows()).includes(found)) throw new Error(`${found} is not found in ${await rows()}`);
    await visit.page.reload();
    same(await visit.field('Filter').inputValue(), `created ${found}`, 'the filter after a reload');
}

async function choose(visit, file) {
    const chooser = visit.page.waitForEvent('filechooser');

    await visit.button('Import…').click();
    await (await chooser).setFiles(file);
}

/* What was exported is taken in again; what cannot be tested, only when one says so. */
export async function transfer(stage) {
    const { profile } = stage.given;
    const visit = await stage.visit({ as: 'admin', path: '/settings' });
    const download = visit.page.waitForEvent('download');

    await visit.button('Export').click();
    const file = await (await download).path();
    const everything = JSON.parse(await readFile(file, 'utf8'));

    same(everything.profiles.map((p) => p.name), [profile], 'the exported profiles');
    await choose(visit, { name: 'broken.json', mimeType: 'application/json', buffer: Buffer.from('{"no": 1}') });
    await visit.text('There are neither profiles nor rules nor settings in it.').waitFor();
    await stage.call('empty');
    await stage.call('stop_server');
    await choose(visit, { name: 'good.json', mimeType: 'application/json', buffer: await readFile(file) });
    const dialog = visit.dialog('Import');

    await visit.button('Test and import', dialog).click();
    await visit.text('Nothing was imported', dialog).waitFor();
    await visit.text('Connect', dialog).first().waitFor();
    same(await stage.call('profiles'), [], 'what is stored');
    await visit.button('Import untested…', dialog).click();
    await visit.button('Import untested').click();
    await visit.text('1 profile and 1 rule are stored and in use.', dialog).waitFor();
    same(await stage.call('profiles'), [profile], 'what is stored then');
}

export async function new_key(stage) {
    const visit = await stage.visit({ as: 'admin', path: '/settings' });

    await visit.button('Make a new key…').click();
    await visit.button('Make a new key').click();
    await visit.text('All secrets are sealed under a new key.').waitFor();
}
