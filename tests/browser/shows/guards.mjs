/* shows/guards.mjs: who may not change anything, tries: viewers, and pages of other origins. */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:https';

import { same, until } from '../until.mjs';

const CHANGES = /^(New|Make|Save|Test|Send|Add|Remove|Delete|Move|Replace|Orders|Actions|Hold|Release|Retry|Scan again|Forward|Choose|All on this page|Drain|End)\b/;

/* What there is to press in the page itself, and what can be filled in. */
function controls(visit) {
    return visit.page.evaluate(() => {
        const all = (selector) => [...document.querySelector('#content').querySelectorAll(selector)].filter((e) => e.checkVisibility());
        const nameOf = (e) => e.getAttribute('aria-label') ?? e.textContent.trim();

        return { pressed: all('a.button, button').map(nameOf), filled: all(':is(input, select, textarea):enabled').length };
    });
}

/* Each page as both see it: what an administrator has there to change something, viewers have not. */
export async function viewer_sees_no_buttons(stage) {
    const admin = await stage.visit({ as: 'admin' });
    const viewer = await stage.visit({ as: 'viewer' });

    for (const { path, heading, fields } of stage.given.pages) {
        for (const visit of [admin, viewer]) {
            await visit.go(path);
            await visit.isAt(heading);
            await visit.isSettled();
        }
        const [may, mayNot] = [await controls(admin), await controls(viewer)];

        if (!may.pressed.some((name) => CHANGES.test(name))) throw new Error(`${path}: nothing for an administrator in ${may.pressed}`);
        same(mayNot.pressed.filter((name) => CHANGES.test(name)), [], `what a viewer could press at ${path}`);
        if (fields) same(mayNot.filled, 0, `what a viewer could fill in at ${path}`);
    }
    for (const path of stage.given.hidden) {
        await viewer.go(path);
        await viewer.isAt(/not found|no such page|may not/i);
    }
}

/* Past the page, with the viewer's own session and its own token. */
export async function viewer_is_refused(stage) {
    const visit = await stage.visit({ as: 'viewer' });
    const { csrf, role } = (await visit.ask('GET', '/sessions/current')).data;

    same(role, 'viewer', 'who asks');
    for (const [method, path, body] of stage.given.changes) {
        const { status, data } = await visit.ask(method, path, { body, headers: { 'X-Postern-CSRF': csrf, 'If-Match': '*' } });

        same([status, data?.code], [403, 'role'], `${method} ${path}`);
    }
}

export async function token_is_needed(stage) {
    const visit = await stage.visit({ as: 'admin' });
    const other = await stage.visit({ as: 'admin', isFresh: true });
    const tokenOf = async (v) => (await v.ask('GET', '/sessions/current')).data.csrf;
    const [own, another] = [await tokenOf(visit), await tokenOf(other)];
    const put = (headers, body = stage.given.profile) => visit.ask('POST', '/profiles?test=skip', { body, headers });

    for (const [what, headers] of [
        ['no token', {}],
        ['an empty one', { 'X-Postern-CSRF': '' }],
        ['a made-up one', { 'X-Postern-CSRF': 'A'.repeat(43) }],
        ['that of another session', { 'X-Postern-CSRF': another }],
    ]) {
        const { status, data } = await put(headers);

        same([status, data?.code], [403, 'csrf'], what);
    }
    same((await put({ 'X-Postern-CSRF': own, 'Content-Type': 'text/plain' })).status, 415, 'what a form could send');
    same(await stage.call('stored'), [], 'what is stored until here');
    same((await put({ 'X-Postern-CSRF': own })).status, 201, 'its own token');
}

/* At another port of the same host: the same site for cookies, so that the browser does send it. */
async function hostilePage(stage) {
    const [key, cert] = await Promise.all([readFile(stage.given.key), readFile(stage.given.certificate)]);
    const server = createServer({ key, cert }, (request, response) => {
        response.setHeader('Content-Type', 'text/html');
        response.end(`<title>Win</title><form method=post enctype=text/plain action="${stage.given.url}/api/v1/profiles?test=skip">
            <input name='{"name":"Form","type":"smtp","servers":["192.0.2.1"],"x":"' value='"}'><button>Win</button></form>
            <iframe src="${stage.given.url}/"></iframe>`);
    });

    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    return { server, url: `https://127.0.0.1:${server.address().port}/` };
}

export async function other_origins_are_refused(stage) {
    const visit = await stage.visit({ as: 'admin' });
    const { csrf } = (await visit.ask('GET', '/sessions/current')).data;
    const { server, url } = await hostilePage(stage);
    const page = await visit.context.newPage();
    const answers = [];

    page.on('response', (response) => answers.push(response));
    try {
        await page.goto(url);
        const tried = await page.evaluate(
            ([to, csrf, body]) => {
                const outcome = (request) => request.then((answer) => answer.type, () => 'failed');
                const attempt = (path, options) => outcome(fetch(to + path, { credentials: 'include', ...options }));

                return Promise.all([
                    attempt('/api/v1/profiles?test=skip', { method: 'POST', mode: 'no-cors', body }),
                    attempt('/api/v1/profiles?test=skip', { method: 'POST', body, headers: { 'Content-Type': 'application/json', 'X-Postern-CSRF': csrf } }),
                    attempt('/api/v1/profiles/1', { method: 'DELETE' }),
                    attempt('/api/v1/export'),
                    attempt('/api/v1/sessions/current'),
                ]);
            },
            [stage.given.url, csrf, JSON.stringify(stage.given.profile)],
        );

        same(tried, ['failed', 'failed', 'failed', 'failed', 'failed'], 'what the other page learnt');
        await until('the frame is refused', async () => !(await page.frames()[1]?.title().catch(() => 'Postern'))?.includes('Postern'));
        await page.getByRole('button', { name: 'Win' }).click();
        await page.getByText('"origin"').waitFor();
        const form = answers.find((a) => a.request().method() === 'POST' && a.request().isNavigationRequest());
        const cookie = (await form.request().allHeaders()).cookie ?? '';

        same([form.status(), cookie.startsWith('__Host-postern=')], [403, true], 'the form’s request, with the session’s cookie');
    } finally {
        server.close();
        server.closeAllConnections();
    }
}
