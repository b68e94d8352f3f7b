/* The state of a queued message in two lines: the word, and what comes next or why. */
import { count } from '../app/format.js';
import { Dot } from '../parts/Health.jsx';
import { Time } from '../parts/Time.jsx';
import { reasonOf, stateOf } from './states.js';

export function Why({ entry }) {
    if (entry.isGone) return 'delivered, deleted or moved on';
    const reason = reasonOf(entry);

    if (reason !== null) return <bdi>{reason}</bdi>;
    if (entry.state === 'deferred' && entry.next_attempt)
        return (
            <>
                next attempt <Time at={entry.next_attempt} />
            </>
        );
    if (entry.state === 'delivering') return `attempt ${entry.attempts + 1} is under way`;
    return entry.attempts > 0 ? `after ${count(entry.attempts, 'attempt')}` : 'no attempt yet';
}

export function State({ entry }) {
    const [tone, text] = entry.isGone ? ['off', 'Left this list'] : stateOf(entry);

    return (
        <span class="mail-state">
            <Dot tone={tone}>{text}</Dot>
            <span class="mail-second">
                <Why entry={entry} />
            </span>
        </span>
    );
}
