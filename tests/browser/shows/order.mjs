/* shows/order.mjs: rows that are put in order by their handles, with the mouse and by keys. */
import { same, until } from '../until.mjs';

export const handlesOf = (visit, list) => visit.page.getByRole('list', { name: list }).getByRole('button', { name: /^Move / });

/* Of a row, or of what is in it, among the rows that there are, without the one that flies with the mouse. */
const placeOf = (locator) =>
    locator.evaluate((element) => {
        const row = element.closest('.sort-row');

        return [...row.parentElement.querySelectorAll('.sort-row:not(.sort-flying)')].indexOf(row);
    });

/* As a hand does it: in small steps, to the middle of another row's handle and a little further; let go
 * when the gap is seen there. */
export async function drag(visit, from, to) {
    const [a, b] = [await from.boundingBox(), await to.boundingBox()];
    const middle = (box) => [box.x + box.width / 2, box.y + box.height / 2];
    const [x, y] = middle(b);
    const { mouse } = visit.page;
    const place = await placeOf(to);

    await mouse.move(...middle(a));
    await mouse.down();
    await mouse.move(x, y + (b.y > a.y ? 8 : -8), { steps: 12 });
    await until('the gap is there', async () => (await placeOf(visit.page.locator('.sort-gap'))) === place);
    await mouse.up();
}

async function typed(visit) {
    const fields = await visit.page.getByRole('list', { name: 'Servers in their order' }).getByRole('textbox').all();

    return Promise.all(fields.map((field) => field.inputValue()));
}

async function saveAndReload(visit, wanted) {
    await visit.button('Test and save').click();
    await visit.page.getByRole('status').getByText('Tested and saved').waitFor();
    await visit.page.reload();
    await until('the page is there again', async () => (await typed(visit)).length === wanted.length);
    same(await typed(visit), wanted, 'the order after a reload');
}

export async function servers_by_mouse(stage) {
    const [a, b, c] = stage.given.servers;
    const visit = await stage.visit({ as: 'admin', path: `/profiles/${stage.given.id}` });
    const handle = handlesOf(visit, 'Servers in their order');

    await handle.nth(2).waitFor();
    same(await typed(visit), [a, b, c], 'the order before');
    await drag(visit, handle.nth(0), handle.nth(2));
    await until('the rows have their new order', async () => String(await typed(visit)) === String([b, c, a]));
    await saveAndReload(visit, [b, c, a]);
}

export async function servers_by_keys(stage) {
    const [a, b, c] = stage.given.servers;
    const visit = await stage.visit({ as: 'admin', path: `/profiles/${stage.given.id}` });
    const handle = handlesOf(visit, 'Servers in their order');
    const { keyboard } = visit.page;
    const says = (text) => visit.page.getByText(text).waitFor({ state: 'attached' });

    await handle.nth(2).focus();
    await keyboard.press('Space');
    await says(`${c} picked up, place 3 of 3. Arrow keys move it, space drops it, Escape puts it back.`);
    await keyboard.press('ArrowUp');
    await keyboard.press('ArrowUp');
    await says(`${c}, place 1 of 3.`);
    await keyboard.press('Escape');
    await visit.hasFocus(handle.nth(2));
    same(await typed(visit), [a, b, c], 'the order after Escape');
    await keyboard.press('Space');
    await keyboard.press('ArrowUp');
    await keyboard.press('Space');
    await says(`${c} dropped, place 2 of 3.`);
    await saveAndReload(visit, [a, c, b]);
}
