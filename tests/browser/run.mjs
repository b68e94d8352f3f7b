/* run.mjs: one browser that does what tests/peer/chromium.py says.
 *
 * Lines of JSON, one thing after another. In: {"show": "profiles.made_by_mouse", "given": {...}}, a
 * function of shows/. Out: {"call": "mend", "with": [...]} for what only the test can do, which is
 * answered by {"answer": ...}; and last {"done": ...}, or {"failed": text}. */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';

import { Visit } from './visit.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const SHOTS = join(ROOT, 'build', 'screenshots');
const OUTLINE_MAX = 6000;

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function hear() {
    const { value, done } = await lines.next();

    return done ? null : JSON.parse(value);
}

function say(what) {
    process.stdout.write(`${JSON.stringify(what)}\n`);
}

/* What a show has to do with: what it was given, its visits, and its test. */
class Stage {
    constructor(browser, given, keys) {
        Object.assign(this, { browser, given, keys, visits: [] });
        this.shots = SHOTS;
    }

    /* `as`: one of the accounts that were given; without it nobody is logged in. */
    visit(options = {}) {
        return Visit.open(this, options);
    }

    async call(name, ...args) {
        say({ call: name, with: args });
        const heard = await hear();

        if (!heard || 'error' in heard) throw new Error(`${name}: ${heard?.error ?? 'the test is gone'}`);
        return heard.answer;
    }

    async close() {
        for (const visit of this.visits) await visit.close();
    }
}

/* What one would have seen: for who reads that it failed. */
async function lookAt(stage, show) {
    const text = [];

    for (const [i, visit] of stage.visits.entries()) {
        const file = join(SHOTS, `failed-${show}${i ? `-${i}` : ''}.png`);
        const outline = await visit.page
            .locator('body')
            .ariaSnapshot({ timeout: 2000 })
            .catch((error) => error.message);

        await mkdir(SHOTS, { recursive: true });
        await visit.page.screenshot({ path: file, timeout: 5000 }).catch(() => {});
        text.push(`-- ${visit.page.url()} (${file})`, outline.slice(0, OUTLINE_MAX), ...visit.complaints);
    }
    return text.join('\n');
}

/* What was kept of it when it failed before. */
async function forget(show) {
    const files = await readdir(SHOTS).catch(() => []);

    for (const file of files.filter((f) => f.startsWith(`failed-${show}`))) await rm(join(SHOTS, file));
}

async function play(browser, { show, given }, keys) {
    const [subject, name] = show.split('.');
    const stage = new Stage(browser, given, keys);

    await forget(show);
    try {
        const shows = await import(`./shows/${subject}.mjs`);
        const done = await shows[name](stage);

        for (const visit of stage.visits) visit.check();
        say({ done: done ?? null });
    } catch (error) {
        say({ failed: `${error.stack}\n${await lookAt(stage, show)}` });
    }
    await stage.close();
}

const browser = await chromium.launch({
    executablePath: process.env.POSTERN_CHROMIUM ?? '/usr/bin/chromium',
    chromiumSandbox: process.getuid() !== 0, // Chromium's own sandbox is not to be had as root
});
const keys = new Map(); // sessions that shows may share: what browsers keep of them

say({ ready: browser.version() });
for (let job = await hear(); job !== null; job = await hear()) await play(browser, job, keys);
await browser.close();
