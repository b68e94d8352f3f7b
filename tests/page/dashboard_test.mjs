/* The dashboard: which minutes are shown, what is said of them, and what needs a look. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { isStanding, itemsOf, asSentence } from '../../master/console/ui/src/dashboard/attention.js';
import { ASKED, inAll, mailSummary, queueSummary, wholeMinutes } from '../../master/console/ui/src/dashboard/series.js';

const T = Date.parse('2026-11-26T10:00:00') / 1000;

const stats = {
    time: [T, T + 60, T + 120],
    series: { in: [10, 1200, 3], out: [9, 1100, 1], deferred: [1, 0, 0], refused: [0, 4, 0], queue_length: [7, 2, 99] },
};

test('a minute that has not ended is not shown: it would look like a fall', () => {
    const whole = wholeMinutes(stats);

    assert.deepEqual(whole.time, [T, T + 60]);
    assert.deepEqual(whole.series.in, [10, 1200]);
    assert.deepEqual(whole.series.queue_length, [7, 2]);
});

test('a chart is said in words', () => {
    const whole = wholeMinutes(stats);

    assert.equal(mailSummary(whole), 'In the last 2 minutes: in 1,210, out 1,109, deferred 1, refused 4. Busiest minute: 10:01, with 1,200 messages in.');
    assert.equal(queueSummary(whole), 'Between 2 and 7 messages.');
});

test('a gateway that has just started has nothing to say', () => {
    const whole = wholeMinutes({ time: [T], series: { in: [5], queue_length: [1] } });

    assert.equal(mailSummary(whole), 'No minute has passed yet.');
    assert.equal(queueSummary(whole), 'No minute has passed yet.');
});

test('a gateway that has run for less than an hour does not speak of one', () => {
    assert.equal(inAll([3, 4]), '7 since start');
    assert.equal(inAll(new Array(ASKED).fill(2)), '122 last hour');
});

const alert = (members) => ({ number: 1, kind: 'server_down', object: '', text: 'x', since: '2026-11-26T10:00:00Z', ended: null, ...members });

test('a log line, and what is over, does not stand', () => {
    assert.ok(isStanding(alert({})));
    assert.ok(!isStanding(alert({ kind: 'log' })));
    assert.ok(!isStanding(alert({ ended: '2026-11-26T10:01:00Z' })));
});

test('each warning leads to where one acts', () => {
    const warnings = [
        'no rule is enabled: all mail is answered 451 4.3.5',
        'rule "all" may make this gateway an open relay',
        'profile "a" lacks a secret: its mail waits until that is entered',
        'server smtp://a of profile "b" is drained: no mail goes there',
        'the setting postmaster is unset: mail to postmaster is answered 451 4.3.5',
        'key_file /etc/postern/store.key still holds the key before the present one: rotate the key again',
    ];

    assert.deepEqual(
        itemsOf({ warnings }, []).map((item) => item.place[0]),
        ['/rules', '/rules', '/profiles', '/profiles', '/settings', '/settings'],
    );
});

test('a profile that takes no mail is told once, with the reason', () => {
    const warnings = ['no server of profile "a" takes mail since 2026-11-26T10:00:00.000Z: its mail waits', 'no server of profile "ab" takes mail since 2026-11-26T10:00:00.000Z: its mail waits'];
    const items = itemsOf({ warnings }, [alert({ kind: 'profile_down', object: 'a', text: 'no server of profile "a" takes mail: it waits (smtp://x: refused)' }), alert({ kind: 'log' })]);

    assert.equal(items.length, 2);
    assert.match(items[0].text, /refused/);
    assert.match(items[1].text, /profile "ab" takes mail since 26 Nov 2026/);
});

test('an address at the beginning of a sentence stays as it is', () => {
    assert.equal(asSentence('smtp://a is down'), 'smtp://a is down');
    assert.equal(asSentence('no rule'), 'No rule');
});
