/* shows/rules.mjs: security rules: made, put in order, asked. */
import { same, until } from '../until.mjs';
import { drag, handlesOf } from './order.mjs';

const LIST = 'Security rules, in their order';

async function names(visit) {
    const handles = await handlesOf(visit, LIST).all();
    const labels = await Promise.all(handles.map((h) => h.getAttribute('aria-label')));

    return labels.map((label) => /^Move (.*), place/.exec(label)[1]);
}

export async function first_rule(stage) {
    const visit = await stage.visit({ as: 'admin', path: '/rules' });

    await visit.page.getByRole('link', { name: 'Make the first rule' }).click();
    await visit.isAt('New security rule');
    await visit.checkAccess('a new rule');
    await visit.field('Name').fill('Inbound');
    await visit.field('Recipients').fill('*@example.test');
    await visit.field('Relay by').selectOption('relay');
    await visit.button('Save').click();
    await visit.text('Rule “Inbound” is saved and counts for the next recipient.').waitFor();
    await visit.isAt('Security rules');
    await visit.page.reload();
    await until('the list has it', async () => String(await names(visit)) === 'Inbound');
}

/* First to last with the mouse, then up one place by keys; at once, without Save. */
export async function reordered(stage) {
    const [a, b, c] = stage.given.rules;
    const visit = await stage.visit({ as: 'admin', path: '/rules' });
    const handles = handlesOf(visit, LIST);
    const become = (wanted) => until(`the order is ${wanted}`, async () => String(await names(visit)) === String(wanted));

    await become([a, b, c]);
    await drag(visit, handles.nth(0), handles.nth(2));
    await visit.text(`“${a}” is asked at place 3 now.`).waitFor();
    await become([b, c, a]);
    same(await stage.call('order'), [b, c, a], 'the gateway’s order');
    await handles.nth(2).focus();
    for (const key of ['Space', 'ArrowUp', 'Space']) await visit.page.keyboard.press(key);
    await visit.text(`“${a}” is asked at place 2 now.`).waitFor();
    await visit.page.reload();
    await become([b, a, c]);
}

export async function undone(stage) {
    const [a, b, c] = stage.given.rules;
    const visit = await stage.visit({ as: 'admin', path: '/rules' });
    const handles = handlesOf(visit, LIST);

    await handles.nth(0).focus();
    for (const key of ['Space', 'ArrowDown', 'Space']) await visit.page.keyboard.press(key);
    await visit.text(`“${a}” is asked at place 2 now.`).waitFor();
    same(await stage.call('order'), [b, a, c], 'the gateway’s order');
    await visit.button('Undo').click();
    await until('the gateway has the old order', async () => String(await stage.call('order')) === String([a, b, c]));
    await until('the page has it, too', async () => String(await names(visit)) === String([a, b, c]));
}

/* Each place stands in one line, on every screen that shows it, for viewers, too. */
export async function many(stage) {
    for (const as of ['admin', 'viewer']) {
        const visit = await stage.visit({ as, path: '/rules' });
        const places = visit.page.locator('.rule-place');

        await until('all are there', async () => (await places.count()) === stage.given.count);
        for (const width of [720, 1280, 2560]) {
            await visit.page.setViewportSize({ width, height: 800 });
            const heights = await places.evaluateAll((all) => all.map((e) => e.getBoundingClientRect().height));

            same([...new Set(heights)].length, 1, `heights of the places at ${width} px as ${as}: ${heights}`);
        }
    }
}

export async function which(stage) {
    const visit = await stage.visit({ as: 'admin', path: '/rules' });
    const box = visit.page.getByRole('region', { name: 'Which rule would take this?' });

    await visit.field('Recipient').fill(stage.given.to);
    await visit.field('Client’s IP address').fill('192.0.2.25');
    await visit.button('Ask').click();
    await box.getByRole('status').getByRole('link', { name: stage.given.rule }).first().waitFor();
    await visit.checkAccess('which rule');
    await visit.field('Recipient').fill('somebody@elsewhere.test');
    await visit.button('Ask').click();
    await box.getByText('Refused').waitFor();
}
