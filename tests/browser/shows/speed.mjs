/* shows/speed.mjs: how much is loaded and how long one waits: told, not judged. */

/* With nothing kept, until the log-in can be read; what came over the wire, packed. */
export async function first_load(stage) {
    const visit = await stage.visit();

    await visit.isAt('Log in');
    return visit.page.evaluate(() => {
        const loads = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];
        const page = loads.filter((l) => !l.name.includes('/api/'));

        return {
            ms: performance.now(),
            paint_ms: performance.getEntriesByName('first-contentful-paint')[0]?.startTime,
            bytes: page.reduce((sum, l) => sum + l.encodedBodySize, 0),
        };
    });
}
