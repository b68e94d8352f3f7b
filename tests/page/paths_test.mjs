/* Addresses of the console's page. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { matchPath, withQuery } from '../../master/console/ui/src/app/paths.js';

test('a path matches segment by segment and nothing else', () => {
    assert.deepEqual(matchPath('/', '/'), {});
    assert.deepEqual(matchPath('/profiles', '/profiles'), {});
    assert.deepEqual(matchPath('/profiles', '/profiles/'), {});
    assert.deepEqual(matchPath('/queue/:id', '/queue/0B3C'), { id: '0B3C' });
    for (const path of ['/', '/profile', '/profiles/3', '/profiles//', '//profiles']) assert.equal(matchPath('/profiles', path), null, path);
});

test('what stands for an id has letters and digits only', () => {
    for (const id of ['', '..', '%2e%2e', 'a.b', 'a-b', 'ä', '<b>']) assert.equal(matchPath('/rules/:id', `/rules/${id}`), null, id);
});

test('a query holds what is given, encoded', () => {
    assert.equal(withQuery('/queue', { state: 'held', after: null, rule: '', profile: undefined }), '/queue?state=held');
    assert.equal(withQuery('/queue', {}), '/queue');
    assert.equal(withQuery('/queue', { rule: 'a&b=c d' }), '/queue?rule=a%26b%3Dc+d');
    assert.equal(withQuery('/audit', { limit: 0 }), '/audit?limit=0');
});
