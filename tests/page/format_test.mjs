/* Figures and times as the page writes them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { bytes, count, duration, milliseconds, number, percent, relative, sentence } from '../../master/console/ui/src/app/format.js';

test('figures are grouped, and what is not known is a dash', () => {
    assert.equal(number(1234567), '1,234,567');
    assert.equal(number(0), '0');
    assert.equal(number(null), '–');
    assert.equal(count(1, 'rule'), '1 rule');
    assert.equal(count(2000, 'rule'), '2,000 rules');
    assert.equal(percent(1, 8), '12.5 %');
    assert.equal(percent(0, 0), '–');
});

test('sizes have the unit that leaves few figures', () => {
    assert.equal(bytes(0), '0 B');
    assert.equal(bytes(1023), '1,023 B');
    assert.equal(bytes(1536), '1.5 KiB');
    assert.equal(bytes(5 * 1024 ** 4), '5 TiB');
    assert.equal(bytes(undefined), '–');
});

test('durations have at most two parts', () => {
    assert.equal(duration(0), '0 s');
    assert.equal(duration(59.9), '59 s');
    assert.equal(duration(5400), '1 h 30 min');
    assert.equal(duration(86400), '1 d');
    assert.equal(duration(432000 + 3600), '5 d 1 h');
    assert.equal(milliseconds(999.4), '999 ms');
    assert.equal(milliseconds(12340), '12.3 s');
});

test('times are told from now, both ways', () => {
    const now = Date.parse('2026-01-01T12:00:00Z');

    assert.equal(relative('2026-01-01T12:00:00.4Z', now), 'now');
    assert.equal(relative('2026-01-01T11:57:00Z', now), '3 min ago');
    assert.equal(relative('2026-01-01T12:00:20Z', now), 'in 20 s');
    assert.equal(relative('2025-12-30T11:00:00Z', now), '2 d ago');
});

test('a problem is told as a sentence', () => {
    assert.equal(sentence({ detail: 'there is no rule 3' }), 'There is no rule 3.');
    assert.equal(sentence({ detail: '', message: 'Really?' }), 'Really?');
    assert.equal(sentence({}), 'It could not be done.');
});
