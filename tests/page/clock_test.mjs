/* The gateway's clock in a browser whose own is wrong, and what waits for a time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { at, gatewayNow, hearClock } from '../../master/console/ui/src/app/clock.js';
import { relative, timeZone } from '../../master/console/ui/src/app/format.js';

const MINUTE = 60000;
const DAY = 1440 * MINUTE;
const text = (ms) => new Date(ms).toUTCString();

/* Runs act(pass) at a standing time of the browser, whose clocks agree; pass(ms) lets it go by. As
 * browsers have it, a timer for more than 2^31 ms ends at once. */
function standing(start, act) {
    const own = [Date.now, globalThis.setTimeout, globalThis.clearTimeout];
    const timers = new Map();
    let now = start;
    let last = 0;

    function pass(ms) {
        for (const end = now + ms; ; ) {
            const [number, next] = [...timers].sort((a, b) => a[1].due - b[1].due)[0] ?? [0, { due: Infinity }];

            now = Math.min(end, Math.max(now, next.due));
            if (next.due > end) return;
            timers.delete(number);
            next.run();
        }
    }

    Date.now = () => now;
    globalThis.setTimeout = (run, ms) => {
        assert.ok(++last < 100, 'timers without end');
        timers.set(last, { run, due: now + (ms >= 2 ** 31 ? 1 : ms) });
        return last;
    };
    globalThis.clearTimeout = (number) => timers.delete(number);
    hearClock(text(now), now);
    try {
        act(pass);
    } finally {
        hearClock(text(now), now);
        [Date.now, globalThis.setTimeout, globalThis.clearTimeout] = own;
    }
}

test('times are told by the gateway’s clock', () => {
    standing(1e12, () => {
        const next = new Date(1e12 + MINUTE).toISOString(); // in a minute, says a browser that is right

        assert.equal(relative(next), 'in 1 min');
        hearClock(text(1e12 - 10 * MINUTE), Date.now());
        assert.equal(relative(next), 'in 10 min', 'the browser is ten minutes ahead');
        hearClock(text(1e12 + 2 * MINUTE), Date.now());
        assert.equal(relative(next), '1 min ago', 'and now behind');
        hearClock(text(1e12), Date.now());
        assert.equal(gatewayNow(), 1e12);
    });
});

test('clocks that agree do not make times jump', () => {
    standing(1e12, () => {
        for (const apart of [-2000, 0, 2000]) {
            hearClock(text(1e12 + apart), Date.now());
            assert.equal(gatewayNow(), 1e12);
        }
        hearClock(text(1e12 + 60000), Date.now());
        const before = gatewayNow();

        for (const apart of [59000, 61000]) hearClock(text(1e12 + apart), Date.now());
        assert.equal(gatewayNow(), before);
    });
});

test('an answer without a time, or one that was long on its way, says nothing', () => {
    standing(1e12, () => {
        hearClock(null, Date.now());
        hearClock('yesterday', Date.now());
        hearClock(text(1e12 - 10 * MINUTE), Date.now() - 2000);
        assert.equal(gatewayNow(), 1e12);
    });
});

test('what is due in thirty days waits for them: timers of browsers do not', () => {
    standing(1e12, (pass) => {
        let count = 0;

        at(1e12 + 30 * DAY, () => count++);
        pass(29 * DAY);
        assert.equal(count, 0);
        pass(DAY);
        assert.equal(count, 1);
    });
});

test('what is over is not told, and what was taken back is not either', () => {
    standing(1e12, (pass) => {
        let count = 0;

        at(1e12 - 1, () => count++);
        at(1e12 + MINUTE, () => count++)();
        pass(2 * MINUTE);
        assert.equal(count, 0);
    });
});

test('the zone of the times has a name and an offset', () => {
    const before = process.env.TZ;

    process.env.TZ = 'Pacific/Auckland';
    assert.equal(timeZone(new Date(1e12)), 'Pacific/Auckland (GMT+12)');
    process.env.TZ = 'UTC';
    assert.equal(timeZone(new Date(1e12)), 'UTC');
    if (before === undefined) delete process.env.TZ;
    else process.env.TZ = before;
});
