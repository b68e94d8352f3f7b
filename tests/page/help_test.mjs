/* The help page: a sentence for each field that an editor has. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { topics } from '../../master/console/ui/src/help/topics.js';
import { labelOf } from '../../master/console/ui/src/profiles/fields.js';

const entries = topics.flatMap((topic) => topic.parts.flatMap((part) => part.entries.map((entry) => ({ ...entry, topic: topic.title }))));

/* SP01 to SP11 and SP06's OAuth: what a profile may have. */
const properties = [
    ...['type', 'name', 'servers', 'preference', 'encryption', 'username', 'password', 'client_certificate', 'api_key', 'verify_certificate', 'ca'],
    ...['grant', 'client_id', 'client_secret', 'refresh_token', 'token_url', 'scope', 'user'].map((name) => `oauth.${name}`),
    ...['enabled', 'size', 'expiry'].map((name) => `pool.${name}`),
    ...['max_connections', 'max_lifetime', 'max_messages', 'max_recipients', 'max_in_flight', 'source_address', 'ehlo_name', 'link_base'],
    ...['connect', 'greeting', 'handshake', 'command', 'data_block', 'end_of_data', 'transfer', 'result'].map((name) => `timeouts.${name}`),
    ...['first', 'factor', 'max', 'lifetime', 'warn'].map((name) => `retry.${name}`),
];

test('OP04_the_help_explains_every_property_of_a_profile', () => {
    const explained = entries.filter((entry) => entry.topic === 'Server profiles').map((entry) => entry.name);
    const nameOf = (path) => labelOf(path).replace(/^.*: /, '');

    assert.deepEqual(properties.filter((path) => labelOf(path) === path), [], 'properties without a name for people');
    assert.deepEqual(properties.filter((path) => !explained.includes(nameOf(path))), []);
});

test('OP04_every_field_of_the_help_has_a_sentence_of_its_own', () => {
    const isSaid = (entry) => /^(?!Default|From|Left).*[a-z].*\./.test(entry.text) || entry.options.some((option) => option.help);

    assert.deepEqual(entries.filter((entry) => !isSaid(entry)).map((entry) => `${entry.topic}: ${entry.name}: ${entry.text}`), []);
});
