/* Which version runs, and what every field means. */
import { useState } from 'preact/hooks';

import { timeZone } from '../app/format.js';
import { usePoll } from '../app/poll.js';
import { Link } from '../app/router.jsx';
import { topics } from '../help/topics.js';
import { Empty, Page } from '../parts/Page.jsx';
import { SearchIcon } from '../parts/icons.jsx';
import { Time } from '../parts/Time.jsx';

function Version() {
    const { data: status } = usePoll('/status', { every: 10000 });

    return (
        <section class="card section" aria-labelledby="about">
            <h2 id="about">This gateway</h2>
            <dl class="facts">
                <div class="fact">
                    <dt>Version</dt>
                    <dd>{status ? `Postern ${status.version}` : '–'}</dd>
                </div>
                <div class="fact">
                    <dt>Host name</dt>
                    <dd>{status?.configuration?.hostname ?? '–'}</dd>
                </div>
                <div class="fact">
                    <dt>Runs since</dt>
                    <dd>{status ? <Time at={status.started} exact /> : '–'}</dd>
                </div>
                <div class="fact">
                    <dt>Times are shown in</dt>
                    <dd>{timeZone()}: the zone of this browser. The log is in UTC.</dd>
                </div>
                <div class="fact">
                    <dt>License</dt>
                    <dd>Apache-2.0</dd>
                </div>
            </dl>
            <p class="soft">Everything that this console does can also be done on the machine with posternctl; its manual is posternctl(1).</p>
        </section>
    );
}

/* For which kinds of profile it is there. */
function Types({ types }) {
    return types.map((type) => (
        <span key={type} class="tag">
            {type}
        </span>
    ));
}

function Entry({ entry }) {
    return (
        <div class="help-entry">
            <dt>
                {entry.name}
                <Types types={entry.types} />
            </dt>
            <dd>
                {entry.text && <p>{entry.text}</p>}
                {entry.options.length > 0 && (
                    <ul>
                        {entry.options.map((option) => (
                            <li key={option.name}>
                                <strong>{option.name}</strong>
                                {option.help && ` – ${option.help}`}
                            </li>
                        ))}
                    </ul>
                )}
            </dd>
        </div>
    );
}

function hasWords(entry, words) {
    const text = [entry.name, entry.text, ...entry.options.flatMap((o) => [o.name, o.help])].join(' ').toLowerCase();

    return words.every((word) => text.includes(word));
}

/* Topics with what is left of them; those without anything are left out. */
function found(filter) {
    const words = filter.toLowerCase().split(/\s+/).filter(Boolean);

    return topics
        .map((topic) => ({ ...topic, parts: topic.parts.map((part) => ({ ...part, entries: part.entries.filter((e) => hasWords(e, words)) })).filter((part) => part.entries.length > 0) }))
        .filter((topic) => topic.parts.length > 0);
}

export function Help() {
    const [filter, setFilter] = useState('');
    const list = found(filter);

    return (
        <Page title="Help" text="Which version this is, and what each field means.">
            <Version />
            <input type="search" class="filter" aria-label="Find a field" placeholder="Find a field" value={filter} onInput={(event) => setFilter(event.currentTarget.value)} />
            {list.length === 0 && (
                <Empty icon={SearchIcon} title="No field has all of these words">
                    <p>Try one word less.</p>
                </Empty>
            )}
            {list.map((topic) => (
                <section key={topic.title} class="card section" aria-label={topic.title}>
                    <h2>
                        <Link to={topic.to}>{topic.title}</Link>
                    </h2>
                    {topic.parts.map((part) => (
                        <div key={part.title} class="help-part">
                            <div class="row">
                                <h3>{part.title}</h3>
                                <Types types={part.types} />
                            </div>
                            {part.text && <p class="soft">{part.text}</p>}
                            <dl>
                                {part.entries.map((entry) => (
                                    <Entry key={entry.name} entry={entry} />
                                ))}
                            </dl>
                        </div>
                    ))}
                </section>
            ))}
        </Page>
    );
}
