/* shows/queue.mjs: mail that waits, has failed or is in quarantine, and what is done with it (MQ06, SR05). */
import { same, until } from '../until.mjs';

const rows = (visit, label) => visit.page.getByRole('table', { name: label }).getByRole('row');
const rowOf = (visit, to, label = 'Queue') => rows(visit, label).filter({ hasText: to });
const isIn = (visit, to, state) => rowOf(visit, to).getByText(state, { exact: true }).waitFor();
const says = (visit, text) => visit.page.getByRole('region', { name: 'News' }).getByText(text).waitFor();

function order(visit, to, item) {
    return visit.pick(/^Actions for /, item, rowOf(visit, to));
}

export async function filtered(stage) {
    const { deferred, held } = stage.given;
    const visit = await stage.visit({ as: 'viewer', path: '/queue' });

    await isIn(visit, deferred, 'Deferred');
    await isIn(visit, held, 'Held');
    await visit.field('State').selectOption('held');
    await rowOf(visit, deferred).waitFor({ state: 'detached' });
    await isIn(visit, held, 'Held');
    same(visit.path(), '/queue?state=held', 'the address');
    await visit.page.reload();
    await isIn(visit, held, 'Held');
    same(await rowOf(visit, deferred).count(), 0, 'others after a reload');
    await visit.button('Clear filters').click();
    await isIn(visit, deferred, 'Deferred');
}

/* Why it is still here: each attempt, each server, what it said. */
export async function decisions(stage) {
    const { deferred, server, reason } = stage.given;
    const visit = await stage.visit({ as: 'viewer', path: '/queue' });

    await rowOf(visit, deferred).getByRole('link', { name: deferred }).click();
    await visit.isAt(/^Message /);
    const attempt = visit.page.getByRole('group').filter({ hasText: 'Delivery, attempt 1' });

    await attempt.getByText('Deferred', { exact: true }).waitFor();
    await attempt.getByText(server, { exact: true }).first().waitFor();
    await attempt.getByText(reason).first().waitFor();
    await visit.checkAccess('a message');
}

export async function orders(stage) {
    const { deferred, held } = stage.given;
    const visit = await stage.visit({ as: 'admin', path: '/queue' });

    await order(visit, deferred, 'Hold');
    await says(visit, '1 message held.');
    await isIn(visit, deferred, 'Held');
    same(await stage.call('state', deferred), 'held', 'at the gateway');
    await visit.button('Undo').first().click();
    await says(visit, '1 message released.');
    await until('it is tried again', async () => (await stage.call('state', deferred)) !== 'held');

    await order(visit, held, 'Delete…');
    await visit.button('Cancel', visit.dialog('Delete this message?')).click();
    same(await stage.call('state', held), 'held', 'after Cancel');
    await order(visit, held, 'Delete…');
    await visit.checkAccess('a question');
    await visit.button('Delete', visit.dialog('Delete this message?')).click();
    await says(visit, '1 message deleted.');
    await until('it is gone', async () => (await stage.call('state', held)) === null);
}

/* Many at once, with one undo for all. */
export async function bulk(stage) {
    const { all } = stage.given;
    const visit = await stage.visit({ as: 'admin', path: '/queue' });
    const bar = visit.page.getByRole('region', { name: 'Chosen messages' });

    await rowOf(visit, all[0]).waitFor();
    await visit.page.getByRole('checkbox', { name: 'All on this page' }).check();
    await bar.getByText(`${all.length} chosen`).waitFor();
    await visit.checkAccess('chosen messages');
    await visit.button('Hold', bar).click();
    await says(visit, `${all.length} messages held.`);
    for (const to of all) same(await stage.call('state', to), 'held', to);
    await visit.button('Undo').first().click();
    await says(visit, `${all.length} messages released.`);
    for (const to of all) await until(`${to} is released`, async () => (await stage.call('state', to)) !== 'held');
}

export async function rerouted(stage) {
    const { to, profile } = stage.given;
    const visit = await stage.visit({ as: 'admin', path: '/queue' });

    await order(visit, to, 'Reroute…');
    const dialog = visit.dialog('Reroute the message');

    await dialog.getByLabel('Relay by').selectOption(profile);
    await visit.checkAccess('rerouting');
    await visit.button('Reroute', dialog).click();
    await says(visit, '1 message rerouted.');
}

export async function retried(stage) {
    const visit = await stage.visit({ as: 'admin', path: '/failed' });

    await rowOf(visit, stage.given.to, 'Failed').waitFor();
    await visit.pick(/^Actions for /, 'Retry now', rowOf(visit, stage.given.to, 'Failed'));
    await says(visit, '1 message will be tried at once.');
    await visit.page.getByText('Nothing has failed').waitFor();
}

export async function released(stage) {
    const { to, reason, link } = stage.given;
    const visit = await stage.visit({ as: 'admin', path: '/quarantine' });
    const question = visit.dialog('Deliver this message all the same?');

    await rowOf(visit, to, 'Quarantine').getByText(reason).waitFor();
    await rowOf(visit, to, 'Quarantine').getByRole('link', { name: to }).click();
    await visit.isAt(/^Message /);
    const details = visit.page.getByRole('link', { name: 'View scan details' });

    same([await details.getAttribute('href'), await details.getAttribute('target'), await details.getAttribute('rel')], [link, '_blank', 'noopener noreferrer'], 'the link to the scan');
    same(await visit.text('Next step').count(), 0, 'steps that are next before anybody has decided');
    await visit.checkAccess('a message in quarantine');
    await visit.button('Release…').click();
    await visit.button('Cancel', question).click();
    same(await stage.call('state', to), 'quarantined', 'after Cancel');
    await visit.button('Release…').click();
    await visit.button('Release', question).click();
    await says(visit, '1 message released.');
    await visit.page.getByText('It has left the queue').waitFor();
}

/* What cannot be an id is told beside the field. */
export async function found_by_id(stage) {
    const { id } = stage.given;
    const visit = await stage.visit({ as: 'viewer', path: '/queue' });
    const label = 'Find a message by its id';
    const reason = visit.page.getByText('A message id has 13 letters and digits');

    await visit.field(label).fill('one@partner.test');
    await visit.page.keyboard.press('Enter');
    await reason.waitFor();
    await visit.isMarked(label);
    await visit.checkAccess('what is no message id');
    same(visit.path(), '/queue', 'the address');
    await visit.field(label).fill(id.toLowerCase());
    await reason.waitFor({ state: 'detached' });
    await visit.page.keyboard.press('Enter');
    await visit.isAt(/^Message /);
    same(visit.path(), `/queue/${id}`, 'the address');
}
