/* The queue's lists: rows that stay where they are, orders a few at a time, and which are possible. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { visible } from '../../master/console/ui/src/app/format.js';
import { inParallel } from '../../master/console/ui/src/queue/parallel.js';
import { canDo, keyOf, messageIdIn, reasonOf, ruleOf, stateOptions, statesOf } from '../../master/console/ui/src/queue/states.js';
import { merge } from '../../master/console/ui/src/queue/steady.js';

const entry = (id, state = 'deferred') => ({ id, group: 0, state });
const shapeOf = (rows) => rows.map((r) => r.id + (r.isGone ? ' gone' : '')).join();

test('OP04_rows_keep_their_places_and_say_that_they_are_gone', () => {
    const shown = merge([], [entry('a'), entry('b'), entry('c')], keyOf, 3);
    const next = merge(shown, [entry('c', 'held'), entry('d')], keyOf, 4);

    assert.equal(shapeOf(next), 'a gone,b gone,c,d');
    assert.equal(next[2].state, 'held', 'news are shown in place');
    assert.equal(shapeOf(merge(next, [entry('b'), entry('d')], keyOf, 4)), 'a gone,b,c gone,d', 'what comes back is there again');
});

test('OP04_new_rows_come_only_where_there_is_room', () => {
    const shown = [entry('a'), entry('b')];

    assert.equal(shapeOf(merge(shown, [entry('x'), entry('y')], keyOf, 2)), 'a gone,b gone');
    assert.equal(shapeOf(merge(shown, [entry('b'), entry('x'), entry('y')], keyOf, 3)), 'a gone,b,x');
});

test('OP04_groups_of_one_message_are_rows_of_their_own', () => {
    const groups = [{ ...entry('a'), group: 0 }, { ...entry('a'), group: 1 }];

    assert.deepEqual(merge(groups, [groups[1]], keyOf, 9).map((r) => Boolean(r.isGone)), [true, false]);
});

test('MQ06_a_rule_with_a_name_of_ours_is_not_taken_for_what_is_none', () => {
    assert.equal(ruleOf({ rule: 'own', rule_id: 0 }), 'the gateway itself');
    assert.equal(ruleOf({ rule: 'postmaster', rule_id: 0 }), 'setting for postmaster');
    assert.equal(ruleOf({ rule: 'own', rule_id: 5 }), 'own');
    assert.equal(ruleOf({ rule: 'postmaster', rule_id: 6 }), 'postmaster');
    assert.equal(ruleOf({ rule: null, rule_id: 7 }), 'a deleted rule');
});

test('what a scanner says is written out where it is not plain text', () => {
    const blocked = (reason) => ({ state: 'quarantined', message: { scan: { reason } }, held: 'by a scan' });

    assert.equal(reasonOf(blocked('Infected \u202egnp.exe')), 'Infected \\u{202e}gnp.exe');
    assert.equal(reasonOf(blocked(undefined)), 'blocked by a scan');
    assert.equal(reasonOf({ state: 'held', held: 'by an operator' }), 'by an operator');
    assert.equal(reasonOf({ state: 'deferred', held: null }), null);
});

/* Orders that end when they are told to. */
function scripted() {
    const waiting = [];

    return { waiting, act: () => new Promise((resolve, reject) => waiting.push({ resolve, reject })) };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test('MQ06_at_most_four_orders_are_under_way', async () => {
    const { waiting, act } = scripted();
    const all = inParallel([1, 2, 3, 4, 5, 6], act);

    await settled();
    assert.equal(waiting.length, 4);
    waiting[2].resolve();
    await settled();
    assert.equal(waiting.length, 5, 'one ended, one more began');
    waiting[3].reject(new Error('too late'));
    await settled();
    assert.equal(waiting.length, 6);
    waiting.forEach((w) => w.resolve());
    const { done, failed } = await all;

    assert.deepEqual(done.sort(), [1, 2, 3, 5, 6]);
    assert.deepEqual(failed.map((f) => [f.item, f.problem.message]), [[4, 'too late']]);
});

test('MQ06_stopped_or_hopeless_begins_no_more_and_says_what_was_not_tried', async () => {
    const stopped = scripted();
    let halt = null;
    const first = inParallel([1, 2, 3, 4, 5, 6], stopped.act, { onProgress: (_, stop) => (halt = stop) });

    await settled();
    halt();
    stopped.waiting.forEach((w) => w.resolve());
    const { done, failed } = await first;

    assert.equal(done.length, 4);
    assert.deepEqual(failed, [
        { item: 5, problem: null },
        { item: 6, problem: null },
    ]);
    const offline = { code: 'offline' };
    const second = await inParallel([1, 2, 3, 4, 5, 6, 7], () => Promise.reject(offline), { isHopeless: (p) => p === offline });

    assert.equal(second.failed.filter((f) => f.problem === null).length, 3);
});

test('MQ06_what_is_offered_is_what_the_gateway_takes', () => {
    const offered = (state) => ['retry', 'hold', 'release', 'rescan', 'forward', 'reroute', 'delete'].filter((verb) => canDo(verb, entry('a', state))).join();

    assert.equal(offered('deferred'), 'retry,hold,reroute,delete');
    assert.equal(offered('delivering'), 'hold,reroute,delete');
    assert.equal(offered('held'), 'release,reroute,delete');
    assert.equal(offered('failed'), 'retry,reroute,delete');
    assert.equal(offered('quarantined'), 'release,rescan,forward,reroute,delete');
    assert.equal(offered('delivered'), '');
});

test('OP04_text_from_afar_cannot_turn_the_writing', () => {
    assert.equal(visible('a\u202egpj.exe'), 'a\\u{202e}gpj.exe');
    assert.equal(visible('\u0007bell\u200b'), '\\u{7}bell\\u{200b}');
    assert.equal(visible('grüße@bücher.example'), 'grüße@bücher.example');
});

test('MQ06_the_queue_shows_what_is_to_be_delivered_unless_asked_for_more', () => {
    assert.equal(statesOf(undefined), 'ready,delivering,deferred,held,checking');
    assert.equal(statesOf('all'), undefined);
    assert.equal(statesOf('failed'), 'failed');
    assert.deepEqual(stateOptions.map(([value]) => value), ['', 'ready', 'delivering', 'deferred', 'held', 'all', 'failed', 'quarantined']);
});

test('OP04_what_cannot_be_a_message_id_is_not_taken_for_one', () => {
    assert.equal(messageIdIn(' 06ab3cdefghjk '), '06AB3CDEFGHJK');
    assert.equal(messageIdIn('O6ab3cdefgLIo'), 'O6AB3CDEFGLIO', 'letters that stand for digits');
    for (const text of ['', '06AB3CDEFGHJ', '06AB3CDEFGHJKM', '06AB3CDEFGHJU', 'G6AB3CDEFGHJK', '06AB 3CDEFGHJ', '<6AB3CDEFGHJK>', 'one@example.test'])
        assert.equal(messageIdIn(text), null, text);
});
