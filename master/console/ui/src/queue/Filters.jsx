/* What of the list one wants to see. It stands in the address, so that it can be sent to a colleague. */
import { useState } from 'preact/hooks';

import { useLoad } from '../app/poll.js';
import { navigate, setQuery } from '../app/router.jsx';
import { Button } from '../parts/Button.jsx';
import { SelectField } from '../parts/Field.jsx';
import { stateOptions } from './states.js';

const named = (list, none, value) => [['', none], ...(value && !list.some((o) => o.name === value) ? [[value, value]] : []), ...list.map((o) => [o.name, o.name])];

function FindById({ base }) {
    const [id, setId] = useState('');

    function find(event) {
        const wanted = id.trim().toUpperCase();

        event.preventDefault();
        if (/^[0-9A-Z]+$/.test(wanted)) navigate(`${base}/${wanted}`);
    }

    return (
        <form class="mail-find" role="search" onSubmit={find}>
            <input type="search" aria-label="Find a message by its id" placeholder="Message id" autocomplete="off" spellcheck={false} value={id} onInput={(event) => setId(event.currentTarget.value)} />
        </form>
    );
}

export function Filters({ base, query, hasState }) {
    const profiles = useLoad('/profiles');
    const rules = useLoad('/rules');
    const { state, profile, rule } = query;
    const set = (name) => (value) => setQuery({ state, profile, rule, [name]: value });

    return (
        <div class="mail-filters">
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
