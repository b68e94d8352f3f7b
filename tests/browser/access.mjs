/* access.mjs: what axe-core finds against who cannot see, hear or point. Serious and critical ones
 * fail; the others are told. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

const source = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const BAD = ['serious', 'critical'];

function told({ id, impact, help, nodes }) {
    return `${impact}: ${id}: ${help}\n${nodes.map((n) => `    ${n.target.join(' ')}\n        ${n.failureSummary.replaceAll('\n', ' ')}`).join('\n')}`;
}

/* `rules`: only these, where the rest was judged before. */
export async function checkAccess(page, where, rules) {
    const options = { resultTypes: ['violations'], ...(rules ? { runOnly: rules } : {}) };

    if (!(await page.evaluate('typeof axe === "object"'))) await page.evaluate(source);
    const { violations } = await page.evaluate((options) => axe.run(document, options), options);
    const bad = violations.filter((v) => BAD.includes(v.impact));

    if (bad.length > 0) throw new Error(`axe-core at ${where}:\n${bad.map(told).join('\n')}`);
    return violations.map((v) => `${where}: ${v.impact}: ${v.id}`);
}
