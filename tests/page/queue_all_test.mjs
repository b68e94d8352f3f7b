/* Orders about all mail that a filter fits: collecting, batches, counting, stopping, and what is said. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { orderAll } from '../../master/console/ui/src/queue/all.js';
import { askedOf, endText, progressText, spokenProgress } from '../../master/console/ui/src/queue/all_texts.js';
import { statesIn, verbsForAll } from '../../master/console/ui/src/queue/states.js';

const refusal = (code, status) => Object.assign(new Error(code), { code, status, detail: code });

/* A gateway with `count` deferred messages, of which `page` stand on a page; what is ordered leaves the list. */
function gateway(count, page = 100) {
    const list = Array.from({ length: count }, (_, i) => ({ id: i, group: 0, state: 'deferred', message: { sender: 'a long one' } }));
    const self = { list, ordered: [], reads: 0, underWay: 0, most: 0 };

    self.read = async (after) => {
        self.reads++;
        const rest = self.list.filter((e) => after === null || e.id > after);

        return { messages: rest.slice(0, page), next: rest.length > page ? rest[page - 1].id : null };
    };
    self.act = async (entry) => {
        self.most = Math.max(self.most, ++self.underWay);
        await new Promise((resolve) => setImmediate(resolve));
        self.underWay--;
        self.ordered.push(entry.id);
        self.list = self.list.filter((e) => e.id !== entry.id);
    };
    return self;
}

function start(own, { controller = new AbortController(), ...options } = {}) {
    return orderAll({ read: own.read, act: own.act, fits: () => true, max: own.list.length, signal: controller.signal, wait: async () => {}, ...options });
}

const countsOf = ({ problem, ...counts }) => counts;
const counts = (own) => ({ all: 0, done: 0, refused: 0, gone: 0, unknown: 0, untried: 0, ...own });
const sorted = (ids) => [...ids].sort((a, b) => a - b);

test('MQ06_all_that_match_are_ordered_once_though_each_order_takes_one_out_of_the_list', async () => {
    const own = gateway(1050);
    const tally = await start(own);

    assert.deepEqual(countsOf(tally), counts({ all: 1050, done: 1050 }));
    assert.deepEqual(sorted(own.ordered), Array.from({ length: 1050 }, (_, i) => i));
    assert.equal(own.most, 4, 'a few at a time');
    assert.equal(own.reads, 11);
});

test('MQ06_the_first_order_waits_until_the_list_has_been_read', async () => {
    const own = gateway(250);
    const seen = [];

    await start(own, { onProgress: ({ isCollecting, done, all }) => seen.push([isCollecting, done, all]) });
    assert.deepEqual(seen.slice(0, 4), [
        [true, 0, 250],
        [true, 100, 250],
        [true, 200, 250],
        [false, 0, 250],
    ]);
    assert.deepEqual(seen.at(-1), [false, 250, 250]);
    assert.ok(seen.slice(4).every(([isCollecting, done], i, all) => !isCollecting && (i === 0 || done >= all[i - 1][1])), 'it only goes forward');
});

test('MQ06_no_more_is_touched_than_was_agreed_to', async () => {
    const own = gateway(250);
    const tally = await start(own, { max: 130 });

    assert.deepEqual(countsOf(tally), counts({ all: 130, done: 130 }));
    assert.deepEqual(sorted(own.ordered), Array.from({ length: 130 }, (_, i) => i), 'the oldest ones');
    assert.equal(own.reads, 2);
});

test('MQ06_a_message_keeps_little_of_itself', async () => {
    const kept = [];

    await start(gateway(3), { act: async (entry) => kept.push(Object.keys(entry).join()) });
    assert.deepEqual(kept, ['id,group,state', 'id,group,state', 'id,group,state']);
});

test('MQ06_single_refusals_are_counted_and_stop_nothing', async () => {
    const own = gateway(500);
    const refusals = { 3: refusal('not_found', 404), 7: refusal('state', 409), 8: refusal('too_late', 409), 444: refusal('not_found', 404) };
    const act = async (entry) => {
        if (refusals[entry.id]) throw refusals[entry.id];
        await own.act(entry);
    };
    const tally = await start(own, { act, fits: (entry) => entry.id !== 20 });

    assert.deepEqual(countsOf(tally), counts({ all: 500, done: 495, refused: 3, gone: 2 }));
    assert.equal(tally.problem, null);
    assert.ok(!own.ordered.includes(20), 'what is in no state for it is not tried');
});

test('MQ06_busy_is_tried_again_and_then_counted', async () => {
    const own = gateway(10);
    const waits = [];
    let tries = 0;
    const act = async (entry) => {
        if (entry.id === 5 && ++tries <= 3) throw refusal('busy', 503);
        if (entry.id === 6) throw refusal('busy', 503);
        await own.act(entry);
    };
    const tally = await start(own, { act, wait: async (ms) => waits.push(ms) });

    assert.deepEqual(countsOf(tally), counts({ all: 10, done: 9, refused: 1 }));
    assert.ok(own.ordered.includes(5));
    assert.equal(waits.length, 6);
});

test('MQ06_an_error_stops_it_and_nothing_is_claimed_that_is_not_known', async () => {
    const own = gateway(1000);
    const lost = async (entry) => (entry.id >= 300 ? Promise.reject(refusal('offline', 0)) : own.act(entry));
    const tally = await start(own, { act: lost });

    assert.equal(tally.problem.code, 'offline');
    assert.equal(tally.done, 300);
    assert.ok(tally.unknown >= 1 && tally.unknown <= 4, 'those that were under way');
    assert.equal(tally.untried, 1000 - 300 - tally.unknown);

    const ended = await start(gateway(1000), { act: () => Promise.reject(refusal('session', 401)) });

    assert.equal(ended.problem.status, 401);
    assert.deepEqual(countsOf(ended), counts({ all: 1000, untried: 1000 }));
});

test('MQ06_a_list_that_cannot_be_read_orders_nothing', async () => {
    const own = gateway(300);
    const read = async (after) => (after === null ? own.read(after) : Promise.reject(refusal('offline', 0)));
    const tally = await start(own, { read });

    assert.equal(tally.problem.code, 'offline');
    assert.deepEqual([tally.all, own.ordered], [0, []]);
});

test('MQ06_stop_begins_no_more_and_waits_for_what_is_under_way', async () => {
    const own = gateway(600);
    const controller = new AbortController();
    const act = async (entry) => {
        if (entry.id === 250) controller.abort();
        await own.act(entry);
    };
    const tally = await start(own, { act, controller, fits: (entry) => entry.id !== 500 });

    assert.equal(tally.problem, null);
    assert.equal(tally.done, own.ordered.length);
    assert.ok(tally.done >= 251 && tally.done <= 254, `${tally.done}`);
    assert.deepEqual([tally.refused, tally.untried], [0, 600 - tally.done], 'nothing is said of those that it did not come to');
    assert.equal(own.underWay, 0);
});

test('MQ06_stop_while_it_collects_orders_nothing', async () => {
    const own = gateway(600);
    const controller = new AbortController();
    const read = async (after) => {
        if (after !== null) controller.abort();
        return own.read(after);
    };
    const tally = await start(own, { read, controller });

    assert.deepEqual([own.reads, own.ordered, tally.problem], [2, [], null]);
    assert.equal(endText({ ...tally, isStopped: true }, String), 'Stopped. Nothing was done.');
});

test('MQ06_the_question_names_verb_number_and_filter_in_one_sentence', () => {
    const text = (verb, filter) => askedOf(verb, 1250, filter).text;

    assert.equal(askedOf('hold', 250, { base: '/queue' }).title, 'Hold 250 messages?');
    assert.equal(text('hold', { base: '/queue' }), 'Hold all 1,250 messages in the queue that are to be delivered.');
    assert.equal(text('retry', { base: '/queue', state: 'deferred', profile: 'Partner', rule: 'own' }), 'Retry all 1,250 messages in the queue that are deferred, use the profile “Partner” and fall under the rule “own”.');
    assert.equal(text('delete', { base: '/queue', state: 'all' }), 'Delete all 1,250 messages in the queue.');
    assert.equal(text('release', { base: '/quarantine', rule: 'r' }), 'Release all 1,250 messages in the quarantine that fall under the rule “r”.');
    assert.equal(text('reroute', { base: '/failed', profile: 'P' }), 'Reroute all 1,250 messages that have failed and use the profile “P”.');
});

test('MQ06_the_end_is_told_with_all_that_did_not_go_well', () => {
    const held = (n) => `${n} messages held.`;
    const end = (own) => endText({ ...counts(own), problem: own.problem ?? null, isStopped: own.isStopped ?? false }, held);

    assert.equal(end({ all: 250, done: 250 }), '250 messages held.');
    assert.equal(end({ all: 250, done: 240, refused: 9, gone: 1 }), '240 messages held. 9 were not in a state for it and 1 was gone.');
    assert.equal(end({ all: 250, done: 44, untried: 206, isStopped: true }), 'Stopped. 44 messages held. 206 were not tried.');
    assert.equal(end({ all: 9, done: 4, untried: 5, problem: refusal('session', 401) }), 'Stopped, because your session has ended. 4 messages held. 5 were not tried.');
    assert.equal(end({ all: 9, done: 4, untried: 3, unknown: 2, problem: refusal('offline', 0) }), 'Stopped, because the gateway does not answer. 4 messages held. 3 were not tried and of 2 it is not known.');
    assert.equal(end({ problem: refusal('the store is full', 507) }), 'Stopped: The store is full. Nothing was done.');
    assert.equal(end({}), 'Nothing matched any more.');
});

test('MQ06_progress_is_seen_at_each_message_and_heard_at_each_tenth', () => {
    const now = { doing: 'Holding', isCollecting: false, isStopping: false, done: 1234, all: 10000 };

    assert.equal(progressText(now), 'Holding: 1,234 of 10,000');
    assert.equal(progressText({ ...now, isCollecting: true }), 'Collecting: 1,234 of 10,000');
    assert.equal(spokenProgress(now), 'Holding 10,000 messages: 10 % done.');
    assert.equal(new Set(Array.from({ length: 10001 }, (_, done) => spokenProgress({ ...now, done }))).size, 11);
    assert.equal(spokenProgress({ ...now, isStopping: true }), 'Stopping.');
});

test('MQ06_all_that_match_can_be_ordered_what_their_states_allow', () => {
    const queue = ['retry', 'hold', 'release', 'reroute', 'delete'];

    assert.deepEqual(statesIn('/quarantine', undefined), ['quarantined']);
    assert.deepEqual(statesIn('/queue', undefined), ['ready', 'delivering', 'deferred', 'held', 'failed', 'quarantined', 'checking']);
    assert.equal(verbsForAll(queue, statesIn('/queue', 'held')).join(), 'release,reroute,delete');
    assert.equal(verbsForAll(queue, statesIn('/queue', 'deferred,held')).join(), queue.join());
    assert.equal(verbsForAll(['release', 'rescan', 'forward', 'delete'], ['quarantined']).join(), 'release,rescan,delete', 'no flood of forwarded mail');
});
