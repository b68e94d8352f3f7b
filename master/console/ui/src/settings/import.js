/* A file to be imported, and its connection tests as they run. */
import { count } from '../app/format.js';
import { addLine, beginLadder, endLadder } from '../profiles/ladder.js';

/* What a file holds: { everything, text } or { error }. */
export function readFile(content) {
    let everything;

    try {
        everything = JSON.parse(content);
    } catch {
        return { error: 'This is no JSON: it was not made by an export.' };
    }
    if (typeof everything !== 'object' || everything === null || !(Array.isArray(everything.profiles) || Array.isArray(everything.rules) || everything.settings))
        return { error: 'There are neither profiles nor rules nor settings in it.' };
    const parts = [count(everything.profiles?.length ?? 0, 'profile'), count(everything.rules?.length ?? 0, 'rule')];

    return { everything, text: `${parts.join(', ')}${everything.settings ? ' and the settings' : ''}` };
}

/* Ladders by profile, in the order in which their first steps came. */
export function addImportLine(ladders, line) {
    const { profile, ...step } = line;
    const at = ladders.findIndex((l) => l.profile === profile);
    const ladder = addLine(at < 0 ? beginLadder([]) : ladders[at].ladder, step);

    return at < 0 ? [...ladders, { profile, ladder }] : ladders.map((l, i) => (i === at ? { profile, ladder } : l));
}

export function endedLadders(tests, ladders) {
    if (!tests) return ladders.map(({ profile, ladder }) => ({ profile, ladder: { ...ladder, isOver: true } }));
    return tests.map(({ profile, test }) => ({ profile, ladder: endLadder(test) }));
}
