/* shows/sign_in.mjs: who one is: the first account, logging in, and how a session ends. */
import { same, until } from '../until.mjs';

async function isSafe(visit) {
    const cookies = await visit.context.cookies();
    const [{ name, httpOnly, secure, sameSite, path }] = cookies;

    same([cookies.length, name, httpOnly, secure, sameSite, path], [1, '__Host-postern', true, true, 'Strict', '/'], 'the session’s cookie');
    same(await visit.page.evaluate('document.cookie'), '', 'what a script sees of it');
}

export async function first_account(stage) {
    const { code, name, password } = stage.given;
    const visit = await stage.visit();

    await visit.isAt('Welcome to Postern');
    await visit.checkAccess('the first account');
    await visit.field('One-time code').fill('WRONG-CODE0-WRONG-CODE0');
    await visit.field('Name').fill(name);
    await visit.field('Password').fill('short');
    await visit.button('Make the account').click();
    await visit.isMarked('One-time code');
    await visit.field('One-time code').fill(code);
    await visit.button('Make the account').click();
    await visit.isMarked('Password');
    await visit.field('Password').fill(password);
    await visit.button('Make the account').click();
    await visit.isIn();
    await isSafe(visit);
    await visit.page.reload();
    await visit.isIn();
}

export async function log_in(stage) {
    const { admin } = stage.given.accounts;
    const visit = await stage.visit({ path: '/profiles/new' });

    await visit.isAt('Log in');
    await visit.checkAccess('the log-in');
    await visit.logIn(admin);
    await visit.isAt('New server profile');
    await isSafe(visit);
    await visit.page.reload();
    await visit.isAt('New server profile');
    await visit.go('/profiles');
    await visit.isAt('Server profiles');
    await visit.button('Log out').click();
    await visit.isAt('Log in');
    same((await visit.ask('GET', '/profiles')).status, 401, 'the API after the log-out');
    await visit.page.goBack();
    await visit.isAt('Log in');
}

export async function wrong_password(stage) {
    const { admin } = stage.given.accounts;
    const visit = await stage.visit();
    const says = (text) => visit.page.getByRole('alert').getByText(text).waitFor();

    await visit.isAt('Log in');
    for (let i = 0; i < stage.given.tries; i++) {
        await visit.logIn({ ...admin, password: `wrong ${i}` });
        await says('Name or password is wrong.');
        same(await visit.field('Password').inputValue(), '', 'what is left of a wrong password');
    }
    await visit.logIn(admin);
    await says(/Too many tries. The next is taken in \d+/);
    same(await visit.button('Log in').isDisabled(), true, 'the button is off');
    await visit.checkAccess('too many tries');
    const { status } = await visit.ask('POST', '/sessions', { body: admin });

    same([status, (await visit.context.cookies()).length], [429, 0], 'the right password, past the button');
}

/* Something was begun when the session ended: it is there again afterwards, at the same place. */
export async function session_end(stage) {
    const { admin } = stage.given.accounts;
    const visit = await stage.visit({ as: 'admin', isFresh: true, path: '/profiles/new' });

    await visit.isAt('New server profile');
    await visit.field('Name').fill('Begun before');
    await stage.call('end_sessions');
    await visit.button('Test only').click();
    await visit.isAt('Log in');
    await visit.text('Your session has ended. Log in again and go on where you were.').waitFor();
    same(await visit.field('Name').inputValue(), admin.name, 'who one was');
    await visit.checkAccess('a session that ended');
    await visit.page.keyboard.type(admin.password);
    await visit.page.keyboard.press('Enter');
    await visit.isAt('New server profile');
    same([visit.path(), await visit.field('Name').inputValue()], ['/profiles/new', 'Begun before'], 'where one was');
    same(await visit.page.title(), 'New server profile – Postern', 'the title of the tab');
}

/* Also far down a page, and with a question open: that must not keep one from logging in. */
export async function session_end_in_a_dialog(stage) {
    const { admin } = stage.given.accounts;
    const visit = await stage.visit({ as: 'admin', isFresh: true, path: '/profiles/new' });
    const question = visit.dialog('Save without a test?');
    const top = () => visit.page.evaluate(() => window.scrollY);

    await visit.isAt('New server profile');
    await visit.field('Name').fill('Begun before');
    await visit.page.evaluate(() => window.scrollTo(0, 300));
    await visit.pick('More', 'Save untested…');
    await question.waitFor();
    await stage.call('end_sessions');
    await visit.button('Save untested', question).click();
    await visit.isAt('Log in');
    await visit.logIn(admin);
    await visit.isAt('New server profile');
    await until('as far down as before', async () => (await top()) === 300);

    const watching = await stage.visit({ as: 'admin', isFresh: true, path: '/queue' });
    const dialog = watching.dialog('Send a test message');

    await watching.button('Send a test message').first().click();
    await dialog.getByLabel('To').fill('somebody@example.test');
    await stage.call('end_sessions');
    await watching.isAt('Log in');
    await watching.logIn(admin);
    await watching.hasFocus(dialog.locator(':focus'));
    same(await dialog.getByLabel('To').inputValue(), 'somebody@example.test', 'what was begun in a dialog');
    await watching.button('Cancel', dialog).click();
    await dialog.waitFor({ state: 'hidden' });
}

/* A page that only shows hears of it by itself. */
export async function session_end_while_watching(stage) {
    const visit = await stage.visit({ as: 'admin', isFresh: true, path: '/profiles' });

    await visit.isAt('Server profiles');
    await stage.call('end_sessions');
    await visit.isAt('Log in');
    await visit.logIn(stage.given.accounts.admin);
    await visit.isAt('Server profiles');
    same(visit.path(), '/profiles', 'where one was');
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
    await visit.text('Your password is changed. Your other sessions have ended.').waitFor();
    await other.isAt('Log in');
    same((await visit.ask('GET', '/sessions/current')).status, 200, 'one’s own session');
    await other.logIn({ ...admin, password: stage.given.password });
    await other.isIn();
}
