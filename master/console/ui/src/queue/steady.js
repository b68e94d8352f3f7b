/* Rows that stay where they are while somebody is about to press one.
 *
 * merge(shown, fresh, keyOf, max): what was shown, in its order: news in place, what is not there any more
 * marked as gone; new ones only behind it, as far as there is room. */
export function merge(shown, fresh, keyOf, max) {
    const news = new Map(fresh.map((entry) => [keyOf(entry), entry]));
    const rows = shown.map((row) => {
        const entry = news.get(keyOf(row));

        news.delete(keyOf(row));
        return entry ?? (row.isGone ? row : { ...row, isGone: true });
    });

    return [...rows, ...[...news.values()].slice(0, Math.max(0, max - rows.length))];
}
