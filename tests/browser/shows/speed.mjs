/* shows/speed.mjs: how much is loaded and how long one waits: told, not judged. */
import { until } from '../until.mjs';

/* With nothing kept, until the log-in can be read; what came over the wire, packed. */
export async function first_load(stage) {
    const visit = await stage.visit();

    await visit.isAt('Log in');
    // What is in the document is not yet on the screen.
    await until('the first paint', () => visit.page.evaluate(() => performance.getEntriesByName('first-contentful-paint').length));
    return visit.page.evaluate(() => {
        const loads = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];
        const page = loads.filter((l) => !l.name.includes('/api/'));

        return {
            ms: performance.now(),
            paint_ms: performance.getEntriesByName('first-contentful-paint')[0].startTime,
            bytes: page.reduce((sum, l) => sum + l.encodedBodySize, 0),
        };
    });
}

/* From the press on its link until its rows are there; then the next page of it. */
export async function long_list(stage) {
    const visit = await stage.visit({ as: 'admin', path: '/profiles' });
    const rows = visit.page.getByRole('table', { name: stage.given.table }).getByRole('row');
    const times = {};
    const began = performance.now();

    await visit.page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: stage.given.link }).first().click();
    await rows.nth(100).waitFor();
    times.open_ms = performance.now() - began;
    const first = await rows.nth(1).innerText();
    const next = performance.now();

    await visit.button('Next page').click();
    await rows.nth(1).filter({ hasNotText: first }).waitFor();
    times.next_ms = performance.now() - next;
    return times;
}
