/* shows/walk.mjs: through every page: axe-core in light and dark, nothing wider than a phone, and the
 * pictures of them all. */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

const ROUTES = new URL('../../../master/console/ui/src/pages/index.js', import.meta.url);
const THEMES = ['light', 'dark'];
const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 360, height: 740 };
const WIDE = { width: 2560, height: 1440 };

/* No page of the table is left out: "/profiles/new" is one of its own, "/profiles/3" one of "/profiles/:id". */
async function checkAllWalked(paths) {
    const routes = [...(await readFile(ROUTES, 'utf8')).matchAll(/\bpath: '([^']+)'/g)].map((m) => m[1]);
    const fits = (route, path) => new RegExp(`^${route.replace(':id', '[0-9A-Za-z]+')}$`).test(path);
    const walked = new Set(paths.map((path) => (routes.includes(path) ? path : routes.find((route) => fits(route, path)))));
    const missing = routes.filter((route) => !walked.has(route));

    if (routes.length === 0 || missing.length > 0) throw new Error(`pages that nobody looked at: ${missing}`);
}

async function checkFits(visit, size, where) {
    await visit.page.setViewportSize(size);
    const over = await visit.page.evaluate(() => document.scrollingElement.scrollWidth - window.innerWidth);

    if (over > 0) throw new Error(`${where} is ${over} px wider than ${size.width} px`);
}

async function walk(stage, options, pages, look) {
    const visit = await stage.visit(options);

    for (const page of pages) {
        await visit.go(page.path);
        await visit.isAt(page.heading ? new RegExp(page.heading) : undefined);
        await visit.isSettled();
        await look(visit, page);
    }
    return visit;
}

/* Findings of axe-core that are not serious are returned, each once. */
export async function every_page(stage) {
    const { pages, isAll, as } = stage.given;
    const nobodyYet = '401 GET /api/v1/sessions/current';
    const found = new Set();

    if (isAll) await checkAllWalked(pages.map((p) => p.path));
    const visit = await walk(stage, { as }, pages, async (visit, { name }) => {
        for (const less of await visit.checkAccess(name)) found.add(less);
        await visit.page.emulateMedia({ colorScheme: 'dark' });
        await visit.checkAccess(`${name}, dark`, ['color-contrast']);
        await visit.page.emulateMedia({ colorScheme: 'light' });
        for (const size of [WIDE, PHONE]) await checkFits(visit, size, name);
        await visit.page.setViewportSize(DESKTOP);
    });
    const refused = visit.refusals.filter((text) => text !== nobodyYet);

    if (refused.length > 0) throw new Error(`the gateway refused what the page asked by itself: ${refused}`);
    return [...found];
}

/* All of a page, as on a screen that is as high: what is fixed to an edge is there. */
async function picture(visit, size, path) {
    const height = await visit.page.evaluate(() => document.scrollingElement.scrollHeight);

    await visit.page.setViewportSize({ ...size, height: Math.max(size.height, height) });
    await visit.page.screenshot({ path });
    await visit.page.setViewportSize(size);
}

/* build/screenshots/NAME-desktop-light.png and so on. */
export async function pictures(stage) {
    const { pages, as } = stage.given;

    await mkdir(stage.shots, { recursive: true });
    for (const [kind, size] of [
        ['desktop', DESKTOP],
        ['phone', PHONE],
    ])
        await walk(stage, { as, size, isPhone: kind === 'phone' }, pages, async (visit, { name }) => {
            for (const scheme of THEMES) {
                await visit.page.emulateMedia({ colorScheme: scheme });
                await picture(visit, size, join(stage.shots, `${name}-${kind}-${scheme}.png`));
            }
        });
    return pages.length * 2 * THEMES.length;
}
