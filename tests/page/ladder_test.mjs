/* A connection test on the page, as its lines come. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { addLine, beginLadder, endLadder, failedStep } from '../../master/console/ui/src/profiles/ladder.js';

const line = (server, step, result = 'ok') => ({ server, step, result, ms: 3, text: '' });
const states = (ladder) => ladder.servers.map((s) => s.state);

test('SP51: servers run side by side, each with its own steps', () => {
    let ladder = beginLadder(['smtp://a:25', 'smtp://b:25']);

    ladder = addLine(ladder, line('smtp://b:25', 'connect'));
    ladder = addLine(ladder, line('smtp://a:25', 'connect', 'failed'));
    assert.deepEqual(states(ladder), ['failed', 'running']);
    ladder = addLine(ladder, line('smtp://a:25', 'quit', 'not tested'));
    ladder = addLine(ladder, line('smtp://b:25', 'quit'));
    assert.deepEqual(states(ladder), ['failed', 'passed']);
    assert.equal(failedStep(ladder.servers[0]).step, 'connect');
    assert.equal(failedStep(ladder.servers[1]), undefined);
});

test('a server that was not known before is added, and a change is no step', () => {
    let ladder = addLine(beginLadder([]), line('smtp://a:25', 'resolve'));

    ladder = addLine(ladder, { server: 'smtp://a:25', step: 'tls', was: 'ok', was_text: '', since: '2026-01-01T00:00:00Z' });
    assert.equal(ladder.servers[0].steps.length, 1);
    assert.equal(ladder.servers[0].changes.length, 1);
    assert.equal(ladder.isOver, false);
});

test('the answer has the last word', () => {
    const test = { passed: false, servers: [{ server: 'smtp://a:25', passed: false, steps: [], last: { time: 't' }, changes: [{ step: 'tls', was: null }] }] };
    const ladder = endLadder(test);

    assert.deepEqual([ladder.isOver, states(ladder)], [true, ['failed']]);
    assert.deepEqual(ladder.servers[0].changes, [{ step: 'tls', was: null, since: 't' }]);
});
