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

const isOrder = (verb) => (url) => new RegExp(`/api/v1/queue/[0-9A-Z]+/${verb}$`).test(url.pathname);

/* All rows of a page, then all that match. */
async function chooseAll(visit, total) {
    const bar = visit.page.getByRole('region', { name: 'Chosen messages' });

    await visit.page.getByRole('checkbox', { name: 'All on this page' }).check();
    await bar.getByText('100 chosen').waitFor();
    await visit.button(`Choose all ${total} that match`, bar).click();
    await bar.getByText(`All ${total} that match chosen`).waitFor();
    return bar;
}

async function isFiltered(visit, total) {
    await visit.page.getByRole('navigation', { name: 'Pages' }).getByText(`1 to 100 of ${total}`).waitFor();
}

/* More than a page: all that the filter fits, and nothing else. */
export async function all_that_match(stage) {
    const { profile, total, others } = stage.given;
    const visit = await stage.visit({ as: 'admin', path: '/queue' });

    await isFiltered(visit, total + others);
    await visit.field('Profile').selectOption(profile);
    await isFiltered(visit, total);
    const bar = await chooseAll(visit, total);

    await visit.page.getByRole('checkbox', { name: /^Choose / }).first().uncheck();
    await bar.getByText('99 chosen').waitFor();
    same(await visit.button(`Choose all ${total} that match`, bar).count(), 0, 'offers while a row is not chosen');
    await chooseAll(visit, total);
    await visit.checkAccess('all that match chosen');

    const dialog = visit.dialog(`Hold ${total} messages?`);

    await visit.button('Hold', bar).click();
    await dialog.getByText(`Hold all ${total} messages in the queue that are to be delivered and use the profile “${profile}”.`).waitFor();
    await dialog.getByText('There is no Undo for this.').waitFor();
    await visit.checkAccess('the question before all that match');
    await visit.button('Cancel', dialog).click();
    same(await stage.call('held'), [0, 0], 'held after Cancel');
    await visit.button('Hold', bar).click();
    await visit.button('Hold', dialog).click();
    await says(visit, `${total} messages held.`);
    same(await stage.call('held'), [total, 0], 'held of the profile, and of others');
    same(await visit.button('Undo').count(), 0, 'offers to undo it');
    await bar.waitFor({ state: 'detached' });

    const viewer = await stage.visit({ as: 'viewer', path: '/queue' });

    await isFiltered(viewer, total + others);
    same(await viewer.page.getByRole('checkbox').count(), 0, 'boxes for viewers');
}

/* All that match are being held: the first `done` of them are, the next four wait for their answers. */
async function holdAll(stage, done, more = {}) {
    const { total } = stage.given;
    const visit = await stage.visit({ as: 'admin', path: '/queue', ...more });
    const orders = { seen: 0, waiting: [] };

    await visit.page.route(isOrder('hold'), (route) => (++orders.seen > done ? orders.waiting.push(route) : route.continue()));
    await isFiltered(visit, total);
    const bar = await chooseAll(visit, total);

    await visit.button('Hold', bar).click();
    await visit.button('Hold', visit.dialog(`Hold ${total} messages?`)).click();
    await until('four wait', () => orders.waiting.length === 4);
    return { visit, bar, orders };
}

/* Stop is pressed meanwhile: those four that are under way are still done. */
export async function all_stopped(stage) {
    const { total } = stage.given;
    const done = 40;
    const { visit, bar, orders } = await holdAll(stage, done);

    await visit.hasFocus(visit.button('Stop', bar));
    await bar.getByText(`Holding: ${done} of ${total}`).waitFor();
    await bar.getByRole('status').getByText(`Holding ${total} messages: 30 % done.`).waitFor({ state: 'attached' });
    await visit.checkAccess('the progress of all that match');
    await visit.page.keyboard.press('Enter');
    await bar.getByText(/^Stopping: \d+ of /).waitFor();
    for (const route of orders.waiting) await route.continue();
    await says(visit, `Stopped. ${done + 4} messages held. ${total - done - 4} were not tried.`);
    same(await stage.call('held'), [done + 4, 0], 'held');
    same(orders.seen, done + 4, 'orders given');
}

/* The session ends in the middle: the page says so, and asks for a password. `held`: what cannot be held again. */
export async function all_cut_off(stage) {
    const { total, held } = stage.given;
    const done = 20;
    const { visit, orders } = await holdAll(stage, done, { isFresh: true });

    await stage.call('end_sessions');
    for (const route of orders.waiting) await route.continue();
    await visit.isAt('Log in');
    await visit.logIn(stage.given.accounts.admin);
    await says(visit, `Stopped, because your session has ended. ${done} messages held. ${held} were not in a state for it and ${total - held - done} were not tried.`);
    same(orders.seen, done + 4, 'orders given');
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
