/* Entries of the audit log, newest first, as they are gathered page by page. Numbers have no gaps. */
import { exactTime } from '../app/format.js';

/* What was just read of the newest, before what is known. More than one page came between: begin anew. */
export function withNewest(known, newest) {
    if (known.length === 0 || newest.length === 0) return newest;
    const last = known[0].number;
    const fresh = newest.filter((entry) => entry.number > last);

    if (fresh.length === newest.length && fresh.at(-1).number > last + 1) return newest;
    return fresh.length > 0 ? [...fresh, ...known] : known;
}

/* "account=alice" and "uid=0": the name, and where it is one. */
export function whoOf(entry) {
    const [, kind, name] = /^(\w+)=(.*)$/.exec(entry.who ?? '') ?? [null, '', entry.who ?? ''];

    if (kind === 'account') return { name, kind: 'Account' };
    if (kind === 'uid') return { name: name === '0' ? 'root' : `uid ${name}`, kind: 'On this machine' };
    return { name, kind: '' };
}

function textOf(entry) {
    return `${whoOf(entry).name} ${entry.who} ${entry.what} ${entry.object ?? ''} ${entry.detail ?? ''} ${exactTime(entry.time)}`.toLowerCase();
}

/* Those in which every word of `filter` is found. */
export function matching(entries, filter) {
    const words = filter.toLowerCase().split(/\s+/).filter(Boolean);

    return words.length === 0 ? entries : entries.filter((entry) => words.every((word) => textOf(entry).includes(word)));
}
