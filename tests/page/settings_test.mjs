/* Settings, the audit log, imports and the help: what of them needs no browser. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { matching, whoOf, withNewest } from '../../master/console/ui/src/audit/entries.js';
import { topics } from '../../master/console/ui/src/help/topics.js';
import { draftOf, errorsOf, inputOf, isSame } from '../../master/console/ui/src/settings/draft.js';
import { differences, mergedDraft } from '../../master/console/ui/src/settings/merge.js';
import { addImportLine, endedLadders, readFile } from '../../master/console/ui/src/settings/import.js';

const alerts = { profile: 'Hub', to: ['a@example.net', 'b@example.net'], from: 'gw@example.net', queue_length: 1000, queue_age: 60, disk_free_percent: 10, certificate_days: 30 };

test('settings come back as they were', () => {
    const stored = { version: 3, postmaster: { mailbox: 'it@example.net', profile: 'Hub' }, alerts };

    assert.deepEqual(inputOf(draftOf(stored)), { postmaster: stored.postmaster, alerts });
});

test('a group that is off is null, and what stood in it waits', () => {
    const draft = draftOf({ postmaster: null, alerts });

    assert.equal(inputOf(draft).postmaster, null);
    draft.on.alerts = false;
    assert.equal(inputOf(draft).alerts, null);
    draft.on.alerts = true;
    assert.deepEqual(inputOf(draft).alerts, alerts);
});

test('a figure that is left empty is the default; one that is none is the gateway’s to judge', () => {
    const draft = draftOf({ postmaster: null, alerts });

    assert.equal(draft.values['alerts.queue_length'], '');
    draft.values['alerts.queue_length'] = ' 7 ';
    draft.values['alerts.queue_age'] = 'an hour';
    assert.equal(inputOf(draft).alerts.queue_length, 7);
    assert.equal(inputOf(draft).alerts.queue_age, 'an hour');
});

test('the same settings, typed otherwise, are no change', () => {
    const draft = draftOf({ postmaster: null, alerts });
    const other = { ...draft, values: { ...draft.values, 'alerts.to': 'a@example.net; b@example.net\n' } };

    assert.ok(isSame(draft, other));
    assert.ok(!isSame(draft, { ...draft, on: { ...draft.on, postmaster: true } }));
});

test('what is wrong with an entry of a list stands beside the list, with the entry', () => {
    const problem = { errors: [{ property: 'alerts.to[1]', value: 'x', problem: 'has no @' }, { property: 'alerts.from', value: '', problem: 'is missing' }] };

    assert.deepEqual(errorsOf(problem, 'alerts.to').map((e) => e.problem), ['“x” has no @']);
    assert.deepEqual(errorsOf(problem, 'alerts.from').map((e) => e.problem), ['is missing']);
    assert.deepEqual(errorsOf(problem, 'alerts'), []);
});

test('SP54: of two versions each difference is chosen by itself', () => {
    const stored = { version: 1, postmaster: null, alerts };
    const draft = draftOf(stored);
    const theirs = { version: 2, postmaster: null, alerts: { ...alerts, queue_age: 99, from: 'theirs@example.net', to: ['c@example.net'] } };

    draft.values['alerts.queue_length'] = '5';
    draft.values['alerts.from'] = 'mine@example.net';
    const rows = differences(stored, draft, theirs);
    const of = (path) => rows.find((row) => row.path === path);

    assert.deepEqual(rows.map((row) => [row.path, row.pick, row.isBoth]), [
        ['alerts.to', 'theirs', false],
        ['alerts.from', 'mine', true],
        ['alerts.queue_length', 'mine', false],
        ['alerts.queue_age', 'theirs', false],
    ]);
    assert.equal(of('alerts.queue_length').title, 'Alerts by mail: Queue longer than');
    of('alerts.from').pick = 'theirs';
    assert.deepEqual(inputOf(mergedDraft(draft, theirs, rows)).alerts, { ...theirs.alerts, queue_length: 5 });
});

test('SP54: so is whether a group is on at all', () => {
    const stored = { version: 1, postmaster: { mailbox: 'a@example.net', profile: 'Hub' }, alerts: null };
    const draft = draftOf(stored);

    draft.on.postmaster = false;
    const theirs = { ...stored, version: 2, alerts };
    const rows = differences(stored, draft, theirs);

    assert.equal(rows.find((row) => row.path === 'on.postmaster').mine, 'Off');
    assert.equal(mergedDraft(draft, theirs, rows).on.postmaster, false);
    assert.equal(mergedDraft(draft, theirs, rows).on.alerts, true);
});

const entries = (...numbers) => numbers.map((number) => ({ number, time: '2026-11-26T10:00:00Z', who: 'uid=0', what: 'rule changed', object: `Rule ${number}` }));
const numbers = (list) => list.map((e) => e.number);

test('new entries of the audit log come before those that are known', () => {
    assert.deepEqual(numbers(withNewest([], entries(3, 2, 1))), [3, 2, 1]);
    assert.deepEqual(numbers(withNewest(entries(3, 2, 1), entries(5, 4, 3))), [5, 4, 3, 2, 1]);
    assert.deepEqual(numbers(withNewest(entries(3, 2, 1), entries(3, 2))), [3, 2, 1]);
    assert.deepEqual(numbers(withNewest(entries(3, 2, 1), entries(5, 4))), [5, 4, 3, 2, 1]);
});

test('where more came than was read, the audit log begins anew: it shows no gap as if there were none', () => {
    assert.deepEqual(numbers(withNewest(entries(3, 2, 1), entries(9, 8))), [9, 8]);
});

test('the audit log names people', () => {
    assert.deepEqual(whoOf({ who: 'account=alice' }), { name: 'alice', kind: 'Account' });
    assert.equal(whoOf({ who: 'uid=0' }).name, 'root');
    assert.equal(whoOf({ who: 'uid=33' }).name, 'uid 33');
});

test('an entry is found by all the words, wherever they are', () => {
    assert.deepEqual(numbers(matching(entries(12, 11, 2), 'ROOT  rule 11')), [11]);
    assert.deepEqual(numbers(matching(entries(12, 11), ' ')), [12, 11]);
});

test('a file that is no export is refused before it is sent', () => {
    assert.match(readFile('<xml>').error, /no JSON/);
    assert.match(readFile('{"a": 1}').error, /neither/);
    assert.match(readFile('null').error, /neither/);
    assert.equal(readFile('{"profiles": [{}], "rules": [{}, {}], "settings": {}}').text, '1 profile, 2 rules and the settings');
});

test('SP51: steps of an import are told apart by profile and server', () => {
    let ladders = [];

    for (const profile of ['A', 'B', 'A']) ladders = addImportLine(ladders, { profile, server: 'smtp://x', step: 'connect', result: 'ok', ms: 1 });
    assert.deepEqual(ladders.map((l) => [l.profile, l.ladder.servers[0].steps.length]), [['A', 2], ['B', 1]]);
    ladders = endedLadders([{ profile: 'A', test: { passed: false, servers: [{ server: 'smtp://x', passed: false, steps: [] }] } }], ladders);
    assert.equal(ladders[0].ladder.servers[0].state, 'failed');
    assert.ok(endedLadders(null, [{ profile: 'A', ladder: { servers: [], isOver: false } }])[0].ladder.isOver);
});

test('the help says something of every field, in the words of the editors', () => {
    const silent = [];

    for (const topic of topics)
        for (const part of topic.parts)
            for (const entry of part.entries) if (!entry.text && entry.options.length === 0) silent.push(`${topic.title}: ${part.title}: ${entry.name}`);
    assert.deepEqual(silent, []);
    assert.ok(topics.some((topic) => topic.parts.some((part) => part.entries.some((entry) => /300 s/.test(entry.text)))));
});
