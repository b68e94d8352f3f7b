/* Who wrote a message to whom, as far as a list has room. Addresses come from afar. */
import { visible } from '../app/format.js';
import { ruleOf } from './states.js';

/* In a list they are texts, of one message objects. */
export const addressOf = (recipient) => (typeof recipient === 'string' ? recipient : recipient.address);

export function Address({ text, none }) {
    return text ? <bdi class="address">{visible(text)}</bdi> : <span class="soft">{none}</span>;
}

export function senderText(message) {
    return message.sender || 'the empty sender';
}

/* How many there are beside the first. */
export function othersOf(message) {
    const all = message.recipient_count ?? message.recipients?.length ?? 0;

    return Math.max(0, all - 1);
}

export function Rule({ entry }) {
    return ruleOf(entry);
}

export function describe(entry) {
    const message = entry.message;

    return message ? `message from ${senderText(message)} to ${addressOf(message.recipients[0] ?? '')}` : `message ${entry.id}`;
}
