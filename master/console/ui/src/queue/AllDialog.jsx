/* Asked before an order about all mail that a filter fits: it is never given by one press. */
import { useState } from 'preact/hooks';

import { SelectField } from '../parts/Field.jsx';
import { askedOf } from './all_texts.js';
import { Frame, useRelays } from './Dialogs.jsx';

const risks = {
    delete: 'Gone for good: nobody gets it, and nobody is told.',
    release: 'What a scan has blocked among it is delivered with whatever is in it.',
};

function Target({ value, onInput }) {
    const relays = useRelays();

    return <SelectField label="Relay by" options={[['', 'Choose a profile'], ...relays.map((n) => [n, n])]} value={value} onInput={onInput} />;
}

/* wanted: { verb, order, total }. onYes gets the body that the order needs, if any. */
export function AllDialog({ wanted, base, filter, onYes, onClose }) {
    const { verb, order, total } = wanted;
    const [profile, setProfile] = useState('');
    const { title, text } = askedOf(verb, total, { base, ...filter });
    const needsTarget = verb === 'reroute';

    return (
        <Frame title={title} yes={order.text.replace('…', '')} isDanger={order.isDanger} canSend={!needsTarget || profile !== ''} onSend={() => onYes(needsTarget ? { profile } : undefined)} onClose={onClose}>
            <p>{text}</p>
            {order.isDanger && <p>{risks[verb]}</p>}
            {needsTarget && <Target value={profile} onInput={setProfile} />}
            <p class="soft">There is no Undo for this. It goes on while this tab is open, and you can stop it in between. No more mail than that is touched, the oldest first, whatever comes in meanwhile.</p>
        </Frame>
    );
}
