/* shows/start.mjs: the start page: from nothing to the first mail, and figures that move. */
import { same, until } from '../until.mjs';

/* Three steps, each leading to the next; the last shows that mail arrives. */
export async function first_steps(stage) {
    const visit = await stage.visit({ as: 'admin' });
    const isNext = (name) => visit.page.getByRole('link', { name }).waitFor();

    await isNext('Make the first profile');
    await stage.call('make_profile');
    await visit.page.reload();
    await isNext('Make the first rule');
    await stage.call('make_rule');
    await visit.page.reload();
    await visit.isAt('Dashboard');
    const steps = visit.page.getByRole('region', { name: 'First steps' });

    await visit.button('Send a test message', steps).click();
    const dialog = visit.dialog('Send a test message');

    await visit.button('Send', dialog).click();
    await visit.isMarked('To');
    await visit.field('To').fill('nobody@elsewhere.test');
    await visit.button('Send', dialog).click();
    await visit.text('No rule takes it', dialog).waitFor();
    await visit.field('To').fill(stage.given.to);
    await visit.button('Send', dialog).click();
    await visit.text('Delivered: the next server has taken it').waitFor();
    await visit.checkAccess('a message that was sent');
    await visit.button('Done').click();
    await until('the steps are gone', async () => (await steps.count()) === 0);
    await visit.page.reload();
    await visit.isAt('Dashboard');
    await visit.isSettled();
    same(await steps.count(), 0, 'first steps after a reload');
}

function figure(visit, title) {
    return visit.page.locator('.figure').filter({ has: visit.page.getByText(title, { exact: true }) });
}

/* Nobody reloads. What moves moves nothing else. */
export async function figures(stage) {
    const visit = await stage.visit({ as: 'admin' });
    const says = (title, text) => figure(visit, title).getByText(text).waitFor();

    await visit.isSettled();
    await says('In', '0 since start');
    await visit.page.evaluate(() => {
        window.shifts = [];
        new PerformanceObserver((list) => window.shifts.push(...list.getEntries().map((e) => e.value))).observe({ type: 'layout-shift' });
    });
    await stage.call('send', 3);
    await says('In', '3 since start');
    await says('Out', '3 since start');
    const shifted = (await visit.page.evaluate('window.shifts')).reduce((sum, value) => sum + value, 0);

    if (shifted > 0.01) throw new Error(`the page moved by ${shifted}`);
    await visit.button('As a table').click();
    await visit.page.getByRole('table', { name: 'Mail per minute, newest first' }).waitFor();
}

export async function no_answer(stage) {
    const visit = await stage.visit({ as: 'admin' });
    const API = '**/api/v1/**';

    await visit.isSettled();
    await visit.page.route(API, (route) => route.abort());
    await visit.text(/^As of \d+ s ago$/).waitFor();
    await visit.text('The gateway does not answer. What you see is the last that was known').waitFor();
    await figure(visit, 'Queue').getByText('0 deferred').waitFor();
    await visit.page.unroute(API);
    await until('it answers again', async () => (await visit.text(/^As of/).count()) === 0);
}

/* It is there, but hangs: no request fails, and none is answered. */
export async function no_end(stage) {
    const visit = await stage.visit({ as: 'admin' });
    const API = '**/api/v1/**';
    const asked = performance.now();

    await visit.isSettled();
    await visit.page.route(API, () => {});
    const givenUp = visit.page.waitForEvent('requestfailed', { timeout: 30000 });

    await visit.text(/^As of \d+ s ago$/).waitFor();
    await visit.text('The gateway does not answer. What you see is the last that was known').waitFor();
    const after = performance.now() - asked;

    await givenUp;
    await visit.text('The gateway does not answer. What you see is the last that was known').waitFor();
    await visit.page.unrouteAll({ behavior: 'ignoreErrors' });
    await until('it answers again', async () => (await visit.text(/^As of/).count()) === 0, 20);
    return `told after ${Math.round(after / 100) / 10} s`;
}
