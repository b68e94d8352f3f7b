/* visit.mjs: somebody at the console: a browser context of its own, one page, and what must not
 * happen in it, whatever a show is about: an error in the browser's console, anything against the
 * Content-Security-Policy, a request to another origin, an answer that blames the gateway. */
import { checkAccess } from './access.mjs';
import { until } from './until.mjs';

const WAIT_MS = 10000;
const SIZE = { width: 1280, height: 800 };

/* Browsers note every refusal; what a refusal means is the show's to judge. */
const isRefusal = (message) => message.text().startsWith('Failed to load resource') && message.location().url.includes('/api/v1/');

export class Visit {
    static async open(stage, { as, path = '/', size = SIZE, isPhone = false, isFresh = false } = {}) {
        const key = `${stage.given.url} ${as}`;
        const context = await stage.browser.newContext({
            ignoreHTTPSErrors: true,
            viewport: size,
            isMobile: isPhone,
            hasTouch: isPhone,
            deviceScaleFactor: isPhone ? 2 : 1,
            colorScheme: 'light',
            reducedMotion: 'reduce',
            storageState: as && !isFresh ? stage.keys.get(key) : undefined,
        });
        const visit = new Visit(stage, context, await context.newPage());

        stage.visits.push(visit);
        await visit.go(path);
        if (as) {
            const isOut = isFresh || !stage.keys.has(key);

            if (isOut) await visit.logIn(stage.given.accounts[as]);
            await visit.isIn();
            if (isOut && !isFresh) stage.keys.set(key, await context.storageState());
        }
        return visit;
    }

    constructor(stage, context, page) {
        Object.assign(this, { stage, context, page, complaints: [], refusals: [] });
        this.origin = stage.given.url;
        context.setDefaultTimeout(WAIT_MS);
        this.watch(page);
    }

    watch(page) {
        page.on('console', (message) => {
            if (['error', 'warning'].includes(message.type()) && !isRefusal(message)) this.complain(`console: ${message.text()}`);
        });
        page.on('pageerror', (error) => this.complain(`exception: ${error.stack}`));
        page.on('request', (request) => {
            if (!request.url().startsWith(`${this.origin}/`) && !request.url().startsWith('data:')) this.complain(`asks elsewhere: ${request.url()}`);
        });
        page.on('response', (response) => {
            const text = `${response.status()} ${response.request().method()} ${new URL(response.url()).pathname}`;

            if (response.status() >= 500) this.complain(`answered ${text}`);
            else if (response.status() >= 400) this.refusals.push(text);
        });
    }

    complain(text) {
        this.complaints.push(text);
    }

    check() {
        if (this.complaints.length > 0) throw new Error(this.complaints.join('\n'));
    }

    async close() {
        await this.context.close();
    }

    // ---- where one is ----

    go(path) {
        return this.page.goto(this.origin + path);
    }

    async logIn({ name, password }) {
        await this.field('Name').fill(name);
        await this.field('Password').fill(password);
        await this.button('Log in').click();
    }

    /* Somebody is logged in: the frame of every page is there, its way out, too. */
    async isIn() {
        await this.page.getByRole('link', { name: 'Skip to the content' }).waitFor();
    }

    isAt(heading) {
        return this.page.getByRole('heading', { level: 1, name: heading }).filter({ visible: true }).waitFor();
    }

    /* What the page shows has come. */
    async isSettled() {
        const loading = this.page.getByRole('status', { name: 'Loading' });

        await until('nothing is awaited any more', async () => (await loading.count()) === 0);
    }

    path() {
        const url = new URL(this.page.url());

        return url.pathname + url.search;
    }

    // ---- what is there, as people and readers name it ----

    field(label) {
        return this.page.getByLabel(label, { exact: true }).filter({ visible: true });
    }

    button(name, within = this.page) {
        return within.getByRole('button', { name, exact: true });
    }

    text(text, within = this.page) {
        return within.getByText(text);
    }

    dialog(title) {
        return this.page.getByRole('dialog', { name: title });
    }

    async pick(menu, item, within = this.page) {
        await this.button(menu, within).click();
        await this.page.getByRole('menuitem', { name: item, exact: true }).click();
    }

    /* What is wrong with the field stands beside it. */
    isMarked(label) {
        return until(`“${label}” is marked`, async () => (await this.field(label).getAttribute('aria-invalid')) === 'true');
    }

    hasFocus(locator) {
        return until(`the focus is at ${locator}`, () => locator.evaluate((element) => element === document.activeElement));
    }

    // ---- judged at this moment ----

    checkAccess(where, rules) {
        return checkAccess(this.page, where, rules);
    }

    /* A request of the page's own making, with its cookies: { status, data }. */
    ask(method, path, { body, headers = {} } = {}) {
        return this.page.evaluate(
            async ([method, path, body, headers]) => {
                const answer = await fetch(`/api/v1${path}`, {
                    method,
                    body: body === undefined ? undefined : JSON.stringify(body),
                    headers: { ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...headers },
                });

                return { status: answer.status, data: await answer.json().catch(() => null) };
            },
            [method, path, body, headers],
        );
    }
}
