/* What of the list one wants to see. It stands in the address, so that it can be sent to a colleague. */
import { useState } from 'preact/hooks';

import { useLoad } from '../app/poll.js';
import { navigate, setQuery } from '../app/router.jsx';
import { Button } from '../parts/Button.jsx';
import { Field, SelectField } from '../parts/Field.jsx';
import { messageIdIn, stateOptions } from './states.js';

const named = (list, none, value) => [['', none], ...(value && !list.some((o) => o.name === value) ? [[value, value]] : []), ...list.map((o) => [o.name, o.name])];

function FindById({ base }) {
    const [text, setText] = useState('');
    const [isWrong, setWrong] = useState(false);

    function find(event) {
        const id = messageIdIn(text);

        event.preventDefault();
        if (id !== null) navigate(`${base}/${id}`);
        else setWrong(text.trim() !== '');
    }

    function change(event) {
        setText(event.currentTarget.value);
        setWrong(false);
    }

    return (
        <form class="mail-find" role="search" onSubmit={find}>
            <Field label="Find a message by its id" hideLabel error={isWrong && 'A message id has 13 letters and digits, without spaces.'}>
                {(control) => <input type="search" placeholder="Message id" autocomplete="off" spellcheck={false} {...control} value={text} onInput={change} />}
            </Field>
        </form>
    );
}

export function Filters({ base, query, hasState }) {
    const profiles = useLoad('/profiles');
    const rules = useLoad('/rules');
    const { state, profile, rule } = query;
    const set = (name) => (value) => setQuery({ state, profile, rule, [name]: value });

    return (
        <div class={`mail-filters ${hasState ? 'has-state' : ''}`}>
            {hasState && <SelectField label="State" hideLabel options={stateOptions} value={state} onInput={set('state')} />}
            <SelectField label="Profile" hideLabel options={named(profiles.data?.profiles ?? [], 'Any profile', profile)} value={profile} onInput={set('profile')} />
            <SelectField label="Rule" hideLabel options={named(rules.data?.rules ?? [], 'Any rule', rule)} value={rule} onInput={set('rule')} />
            {(state || profile || rule) && (
                <Button kind="quiet" onClick={() => setQuery({})}>
                    Clear filters
                </Button>
            )}
            <FindById base={base} />
        </div>
    );
}
