/* Where one was in a list before one looked at a message: filters and page, by the list's address. */
const last = {};

export function keepList(base, address) {
    last[base] = address;
}

export function lastList(base) {
    return last[base] ?? base;
}
