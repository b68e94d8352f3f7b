/* A profile in the editor: what is sent of it, and what two people's changes make of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { draftOf, emptyDraft, inputForCheck, inputOf, isInClear, isSame, withType } from '../../master/console/ui/src/profiles/draft.js';
import { differences, mergedDraft, shown } from '../../master/console/ui/src/profiles/merge.js';

/* As GET /profiles/7 shows one. */
const stored = {
    id: 7,
    version: 12,
    name: 'Exchange',
    type: 'smtp',
    servers: ['smtp://10.0.0.10:25', 'smtp://10.0.0.11:25'],
    preference: 'failover',
    encryption: 'none',
    username: 'gateway',
    password_set: true,
    oauth: null,
    client_certificate: false,
    verify_certificate: true,
    ca: null,
    pool: { enabled: true, size: 20, expiry: 180 },
    max_connections: 5,
    max_in_flight: 40,
    timeouts: { connect: 30, greeting: 60 },
    retry: { first: 60, factor: 1.5, max: 3600, lifetime: 432000, warn: 14400 },
    not_in_effect: [],
    incomplete: false,
};

test('what is unchanged is sent as it is, defaults left out', () => {
    assert.deepEqual(inputOf(draftOf(stored), stored), {
        id: 7,
        type: 'smtp',
        name: 'Exchange',
        servers: stored.servers,
        preference: 'failover',
        encryption: 'none',
        username: 'gateway',
        client_certificate: false,
        verify_certificate: true,
        pool: { enabled: true },
        max_connections: 5,
        retry: { factor: 1.5 },
    });
});

test('SP60: a secret is sent only if it was typed or removed', () => {
    const draft = draftOf(stored);

    assert.ok(!('password' in inputOf(draft, stored)));
    draft.secrets.password = 'new one';
    assert.equal(inputOf(draft, stored).password, 'new one');
    draft.login = 'none';
    assert.equal(inputOf(draft, stored).password, null);
    assert.ok(!('username' in inputOf(draft, stored)));
});

test('SP60: a check carries a text of the same length instead of the secret', () => {
    const draft = { ...draftOf(stored), secrets: { password: 'geheimnis ü' } };
    const sent = inputForCheck(draft, stored);

    assert.equal(sent.password, 'x'.repeat(12));
    assert.equal(JSON.stringify(sent).includes('geheim'), false);
    assert.equal(draft.secrets.password, 'geheimnis ü');
});

test('SP06: OAuth in place of a password takes the password away', () => {
    const draft = { ...draftOf(stored), login: 'oauth', secrets: { 'oauth.client_secret': 's' } };

    draft.values['oauth.user'] = 'box@example.net';
    assert.deepEqual(inputOf(draft, stored).oauth, { grant: 'client_credentials', user: 'box@example.net', client_secret: 's' });
    assert.equal(inputOf(draft, stored).password, null);
});

test('what is no number goes as it was typed, for the gateway to refuse', () => {
    const draft = emptyDraft('smtp');

    Object.assign(draft.values, { 'pool.size': ' 7 ', 'pool.expiry': '3m', 'retry.factor': '1.5', max_messages: '' });
    const input = inputOf(draft, null);

    assert.deepEqual(input.pool, { enabled: false, size: 7, expiry: '3m' });
    assert.equal(input.retry.factor, 1.5);
    assert.ok(!('max_messages' in input));
});

test('SP10: only properties of the type are sent', () => {
    const draft = withType({ ...emptyDraft('smtp'), secrets: { api_key: 'k' } }, 'vault');

    assert.deepEqual(inputOf(draft, null), { type: 'vault', name: '', servers: [''], verify_certificate: true, api_key: 'k' });
});

test('the place of a server is a change, the key that the page gives it is none', () => {
    const draft = draftOf(stored);

    assert.ok(isSame(draft, draftOf(stored)));
    assert.ok(!isSame(draft, { ...draft, servers: [...draft.servers].reverse() }));
});

test('SP62: credentials in clear', () => {
    assert.ok(isInClear(stored));
    assert.ok(!isInClear({ ...stored, encryption: 'starttls_optional' })); // SP33: never in clear then
    assert.ok(!isInClear({ ...stored, servers: ['smtps://10.0.0.10:465'] }));
    assert.ok(!isInClear({ ...stored, username: null }));
    assert.ok(isInClear({ type: 'vault', servers: ['http://v:8010/vault_rest'], api_key_set: true }));
    assert.ok(!isInClear({ type: 'core', servers: ['http://c:8008'], api_key_set: false }));
});

test('SP54: of two edits each keeps what only it has changed, and both are asked about the rest', () => {
    const theirs = { ...stored, version: 13, name: 'Theirs', encryption: 'starttls_required' };
    const draft = draftOf(stored);

    draft.name = 'Mine';
    draft.values.max_connections = '9';
    draft.servers.reverse();
    const rows = differences(stored, inputOf(draft, null), theirs);
    const byPath = Object.fromEntries(rows.map((r) => [r.path, r]));

    assert.deepEqual(Object.keys(byPath).sort(), ['encryption', 'max_connections', 'name', 'servers']);
    assert.equal(byPath.name.isBoth, true);
    assert.deepEqual([byPath.encryption.pick, byPath.encryption.isBoth], ['theirs', false]);
    assert.equal(byPath.servers.pick, 'mine');
    byPath.name.pick = 'theirs';
    const merged = inputOf(mergedDraft(draft, theirs, rows), theirs);

    assert.equal(merged.name, 'Theirs');
    assert.equal(merged.encryption, 'starttls_required');
    assert.equal(merged.max_connections, 9);
    assert.deepEqual(merged.servers, [...stored.servers].reverse());
    assert.equal(merged.username, 'gateway');
});

test('SP54: taking back a default is a change, too', () => {
    const draft = draftOf(stored);

    draft.values.max_connections = '';
    const rows = differences(stored, inputOf(draft, null), { ...stored, version: 13 });

    assert.deepEqual(rows.map((r) => [r.path, r.mine, r.theirs]), [['max_connections', undefined, 5]]);
    assert.ok(!('max_connections' in inputOf(mergedDraft(draft, stored, rows), stored)));
});

/* As GET shows one that logs in by OAuth. */
const byOAuth = {
    ...stored,
    username: null,
    password_set: false,
    oauth: { grant: 'client_credentials', client_id: 'id', token_url: 'https://login.example.net/token', scope: null, user: 'box@example.net', client_secret_set: true, refresh_token_set: false },
};

test('SP54: whoever switched to another way to log in keeps that, whatever the other one changed', () => {
    const theirs = { ...byOAuth, version: 13, name: 'Theirs' };
    const draft = { ...draftOf(byOAuth), login: 'password', secrets: { password: 'new one' } };

    draft.values.username = 'gateway';
    const rows = differences(byOAuth, inputOf(draft, null), theirs);

    assert.deepEqual(rows.map((r) => [r.path, r.pick, r.isBoth]), [
        ['name', 'theirs', false],
        ['login', 'mine', false],
    ]);
    assert.deepEqual([shown('login', rows[1].mine), shown('login', rows[1].theirs)], ['Name and password', 'OAuth 2']);
    const merged = inputOf(mergedDraft(draft, theirs, rows), theirs);

    assert.equal(merged.name, 'Theirs');
    assert.deepEqual([merged.username, merged.password, merged.oauth], ['gateway', 'new one', null]);
});

test('SP54: whoever takes the other one’s way to log in gets all of it', () => {
    const theirs = { ...byOAuth, version: 13 };
    const draft = { ...draftOf(stored), login: 'none' };
    const rows = differences(stored, inputOf(draft, null), theirs);

    assert.deepEqual(rows.map((r) => [r.path, r.isBoth]), [['login', true]]);
    const merged = inputOf(mergedDraft(draft, theirs, [{ ...rows[0], pick: 'theirs' }]), theirs);

    assert.equal(merged.oauth.user, 'box@example.net');
    assert.ok(!('username' in merged));
});
