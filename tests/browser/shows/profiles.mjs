/* shows/profiles.mjs: making and changing server profiles (SP10, SP50, SP51, OP04). */
import { same } from '../until.mjs';

const saved = (visit) => visit.page.getByRole('status').getByText('Tested and saved').waitFor();
const server = (visit, number) => visit.field(`Server ${number}`);

export async function made_by_mouse(stage) {
    const visit = await stage.visit({ as: 'admin', path: '/profiles' });

    await visit.page.getByRole('link', { name: 'Make the first profile' }).click();
    await visit.isAt('New server profile');
    await visit.page.getByRole('radio', { name: /^Mail / }).check();
    await visit.field('Name').fill('By mouse');
    await server(visit, 1).fill(stage.given.servers[0]);
    await visit.button('Add a server').click();
    await server(visit, 2).fill(stage.given.servers[1]);
    await visit.button('Test and save').click();
    await saved(visit);
    await visit.isAt('By mouse');
    await visit.page.getByRole('link', { name: 'Server profiles' }).first().click();
    await visit.page.getByRole('table').getByRole('link', { name: 'By mouse' }).waitFor();
}

/* Tab until it has the focus: as often as there can be something before it. */
async function tabTo(visit, locator) {
    const hasFocus = () => locator.evaluate((element) => element === document.activeElement);

    for (let i = 0; i < 80; i++) {
        if (await hasFocus()) return;
        await visit.page.keyboard.press('Tab');
    }
    throw new Error(`Tab does not lead to ${locator}`);
}

export async function made_by_keyboard(stage) {
    const visit = await stage.visit({ as: 'admin', path: '/profiles' });
    const { keyboard } = visit.page;
    const link = visit.page.getByRole('link', { name: stage.given.link });

    await link.waitFor();
    await tabTo(visit, link);
    await keyboard.press('Enter');
    await visit.isAt('New server profile');
    await tabTo(visit, visit.field('Name'));
    await keyboard.type('By keyboard');
    await tabTo(visit, server(visit, 1));
    await keyboard.type(stage.given.servers[0]);
    await keyboard.press('Enter'); // one more server, with the focus in it
    await visit.hasFocus(server(visit, 2));
    await keyboard.type(stage.given.servers[1]);
    await tabTo(visit, visit.page.getByRole('radio', { name: /^In order / }));
    await keyboard.press('ArrowDown');
    await tabTo(visit, visit.button('Test and save'));
    await keyboard.press('Enter');
    await saved(visit);
    await visit.isAt('By keyboard');
}

export async function failed_test(stage) {
    const { name, servers, step, reason } = stage.given;
    const visit = await stage.visit({ as: 'admin', path: '/profiles/new' });

    await visit.field('Name').fill(name);
    await server(visit, 1).fill(servers[0]);
    await visit.button('Add a server').click();
    await server(visit, 2).fill(servers[1]);
    await visit.button('Test and save').click();
    const alert = visit.page.getByRole('alert').filter({ hasText: /^Not saved: .*failed the test/ });

    await alert.getByText(`${step} failed`).waitFor();
    await alert.getByText(reason).waitFor();
    await alert.getByText('Nothing was stored.').waitFor();
    const ladder = visit.page.getByRole('group').filter({ hasText: servers[1] });

    await ladder.getByRole('listitem').filter({ hasText: `${step}: failed` }).getByText(reason).waitFor();
    await visit.page.getByRole('group').filter({ hasText: servers[0] }).getByText('Passed', { exact: true }).waitFor();
    await visit.checkAccess('a failed test');
    same(await stage.call('stored'), [], 'what is stored then');

    await stage.call('mend');
    await visit.button('Test and save').click();
    await saved(visit);
}

export async function saved_untested(stage) {
    const visit = await stage.visit({ as: 'admin', path: '/profiles/new' });
    const asks = visit.dialog('Save without a test?');

    await visit.field('Name').fill(stage.given.name);
    await server(visit, 1).fill(stage.given.server);
    await visit.pick('More', 'Save untested…');
    await asks.waitFor();
    await visit.checkAccess('a question');
    await visit.button('Cancel', asks).click();
    same(await stage.call('stored'), [], 'what is stored after Cancel');
    await visit.pick('More', 'Save untested…');
    await visit.button('Save untested', asks).click();
    await visit.page.getByRole('status').getByText('Saved without a test').waitFor();
}

export async function mistakes(stage) {
    const visit = await stage.visit({ as: 'admin', path: '/profiles/new' });

    await visit.field('Name').fill('Mistakes');
    await server(visit, 1).fill('smtp://[::1');
    await visit.button('Add a server').click();
    await server(visit, 2).fill('mx.example.net:70000');
    await visit.button('Test and save').click();
    await visit.isMarked('Server 1');
    await visit.isMarked('Server 2');
    await visit.hasFocus(server(visit, 1));
    await visit.checkAccess('mistakes');
    await server(visit, 2).fill('MX.Example.Net');
    await visit.page.getByText('stored as smtp://mx.example.net:25').waitFor();
}

export async function conflict(stage) {
    const { id, name } = stage.given;
    const visit = await stage.visit({ as: 'admin', path: `/profiles/${id}` });
    const dialog = visit.dialog('Somebody saved this profile meanwhile');

    await visit.isAt(name);
    await visit.field('Name').fill(`${name} mine`);
    await visit.button('Add a server').click();
    await server(visit, 2).fill(stage.given.mine);
    await stage.call('change');
    await visit.button('Test and save').click();
    await dialog.waitFor();
    const row = dialog.getByRole('row').filter({ hasText: 'Servers' });
    const side = (text) => row.getByRole('radio', { name: text });

    await side(stage.given.theirs).waitFor();
    await side(stage.given.mine).waitFor();
    await dialog.getByRole('row').filter({ hasText: `${name} mine` }).waitFor();
    await visit.text('(by root, ', dialog).waitFor();
    const [, ...widths] = await dialog.getByRole('columnheader').evaluateAll((all) => all.map((e) => Math.round(e.getBoundingClientRect().width)));

    same(widths[0], widths[1], 'the widths of both sides');
    await visit.checkAccess('a conflict');
    same(await stage.call('servers'), stage.given.stored, 'what is stored before one chose');
    await side(stage.given.theirs).check();
    await visit.button('Test and save what is chosen', dialog).click();
    await saved(visit);
    await visit.isAt(`${name} mine`);
}
