/* Addresses as texts: taken apart and put together. */

/* "/profiles/:id" against "/profiles/3": { id: "3" }; null if it is another address. */
export function matchPath(pattern, path) {
    const wanted = pattern.split('/');
    const given = path.length > 1 ? path.replace(/\/$/, '').split('/') : ['', ''];
    const found = {};

    if (wanted.length !== given.length) return null;
    for (let i = 0; i < wanted.length; i++) {
        if (wanted[i].startsWith(':')) {
            if (!/^[0-9A-Za-z]+$/.test(given[i])) return null;
            found[wanted[i].slice(1)] = given[i];
        } else if (wanted[i] !== given[i]) {
            return null;
        }
    }
    return found;
}

/* "/queue" with { state: 'held', after: null } is "/queue?state=held". */
export function withQuery(path, query) {
    const parts = new URLSearchParams();

    for (const [name, value] of Object.entries(query))
        if (value !== undefined && value !== null && value !== '') parts.set(name, value);
    return parts.size > 0 ? `${path}?${parts}` : path;
}
