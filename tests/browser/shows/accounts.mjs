/* shows/accounts.mjs: who may use the console. */
import { same } from '../until.mjs';

const says = (visit, text) => visit.page.getByRole('region', { name: 'News' }).getByText(text).waitFor();
const rowOf = (visit, name) => visit.page.getByRole('table', { name: 'Accounts' }).getByRole('row').filter({ hasText: name });

/* Made, used, and deleted while it is in use. */
export async function made_and_deleted(stage) {
    const { eve } = stage.given;
    const visit = await stage.visit({ as: 'admin', path: '/accounts' });
    const dialog = visit.dialog('New account');

    await visit.button('New account').click();
    await dialog.waitFor();
    await visit.checkAccess('a new account');
    await dialog.getByLabel('Name', { exact: true }).fill(eve.name);
    await dialog.getByLabel('Password', { exact: true }).fill('short');
    await visit.button('Make the account', dialog).click();
    await visit.isMarked('Password');
    await dialog.getByLabel('Password', { exact: true }).fill(eve.password);
    await visit.button('Make the account', dialog).click();
    await says(visit, `The account “${eve.name}” is made.`);
    await rowOf(visit, eve.name).getByText('Viewer', { exact: true }).waitFor();

    const other = await stage.visit();

    await other.logIn(eve);
    await other.isIn();
    await visit.pick(`Actions for ${eve.name}`, 'Delete…');
    await visit.button('Delete', visit.dialog(`Delete the account “${eve.name}”?`)).click();
    await says(visit, `The account “${eve.name}” is deleted.`);
    await other.isAt('Log in');
    await other.logIn(eve);
    await other.page.getByRole('alert').getByText('Name or password is wrong.').waitFor();

    await visit.pick('Actions for admin', 'Delete…');
    await visit.button('Delete', visit.dialog('Delete the account “admin”?')).click();
    await says(visit, /last administrator/i);
    same((await visit.ask('GET', '/sessions/current')).status, 200, 'the last administrator');
}

/* One's own: other sessions end, this one goes on. */
export async function own_password(stage) {
    const { admin } = stage.given.accounts;
    const visit = await stage.visit({ as: 'admin', isFresh: true });
    const other = await stage.visit({ as: 'admin', isFresh: true });
    const dialog = visit.dialog('Change your password');
    const change = async (old) => {
        await dialog.getByLabel('Present password').fill(old);
        await dialog.getByLabel('New password').fill(stage.given.password);
        await visit.button('Change it', dialog).click();
    };

    await visit.button('Password').click();
    await change('not this one at all');
    await visit.isMarked('Present password');
    await visit.checkAccess('one’s own password');
    await change(admin.password);
    await says(visit, 'Your password is changed. Your other sessions have ended.');
    await other.isAt('Log in');
    same((await visit.ask('GET', '/sessions/current')).status, 200, 'one’s own session');
    await other.logIn({ ...admin, password: stage.given.password });
    await other.isIn();
}
