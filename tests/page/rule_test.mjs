/* A security rule in the editor: what is sent of it, and what two people's changes make of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { differences, draftOf, emptyDraft, inputOf, isSame, merged } from '../../master/console/ui/src/rules/draft.js';

/* As GET /rules/3 shows one. */
const stored = {
    id: 3,
    version: 9,
    name: 'Inbound',
    enabled: true,
    match: { clients: ['0.0.0.0/0', '::/0'], senders: ['*'], recipients: ['*@example.net', '*@example.org'] },
    relay: 'Exchange',
    core: null,
    vault: 'Archive',
    allow_open_relay: false,
    verify_recipients: false,
    scan: { on_blocked: 'reject', on_unavailable: 'defer', add_headers: true, workflow: null },
    upload: { on_unavailable: 'defer', expires: '30:00:00:00', share_with: ['Ann Lee', 'bob@example.net'], links: 'none' },
    not_in_effect: [],
};

test('SR01_what_is_shown_is_what_is_sent', () => {
    const input = inputOf(draftOf(stored));

    assert.deepEqual(input.match, { recipients: ['*@example.net', '*@example.org'] }, 'defaults are left out');
    assert.equal(input.relay, 'Exchange');
    assert.equal(input.core, undefined);
    assert.deepEqual(input.scan, { on_blocked: 'reject', on_unavailable: 'defer', add_headers: true });
    assert.deepEqual(input.upload.share_with, ['Ann Lee', 'bob@example.net']);
    assert.equal(input.upload.expires, '30:00:00:00');
});

test('SR01_lists_of_addresses_may_be_pasted_as_they_stand_elsewhere', () => {
    const draft = { ...draftOf(stored), 'match.recipients': ' *@a.test, *@b.test;\n\n*@c.test\t<>', 'match.clients': '10.0.0.0/8 ::/0' };

    assert.deepEqual(inputOf(draft).match, { recipients: ['*@a.test', '*@b.test', '*@c.test', '<>'], clients: ['10.0.0.0/8', '::/0'] });
});

test('SR01_blanks_change_nothing', () => {
    const draft = draftOf(stored);

    assert.ok(isSame(draft, { ...draft, 'match.recipients': '*@example.net,\n*@example.org\n' }));
    assert.ok(!isSame(draft, { ...draft, 'match.recipients': '*@example.org\n*@example.net' }));
});

test('SR02_the_only_relay_is_chosen_for_a_new_rule', () => {
    const one = [{ name: 'Exchange', type: 'smtp' }, { name: 'Core', type: 'core' }];

    assert.equal(emptyDraft(one).relay, 'Exchange');
    assert.equal(emptyDraft([...one, { name: 'Other', type: 'smtp' }]).relay, '');
});

test('SP54_each_change_of_two_people_is_shown_and_the_one_who_made_it_is_right', () => {
    const base = draftOf(stored);
    const mine = { ...base, name: 'Mine', vault: '' };
    const theirs = { ...base, name: 'Theirs', core: 'Scanner' };
    const rows = differences(base, mine, theirs);

    assert.deepEqual(rows.map((r) => [r.path, r.isBoth, r.pick, r.theirs, r.mine]), [
        ['name', true, 'mine', 'Theirs', 'Mine'],
        ['core', false, 'theirs', 'Scanner', 'No scan'],
        ['vault', false, 'mine', 'Archive', 'No upload'],
    ]);
    const result = merged(mine, theirs, rows.map((r) => (r.path === 'name' ? { ...r, pick: 'theirs' } : r)));

    assert.deepEqual([result.name, result.core, result.vault], ['Theirs', 'Scanner', '']);
});
