/* What needs a look. It has its room, whatever is in it. */
import { Link } from '../app/router.jsx';
import { CheckIcon, WarningIcon } from '../parts/icons.jsx';
import { Time } from '../parts/Time.jsx';
import { itemsOf, asSentence } from './attention.js';

const SHOWN = 20;

export function Attention({ status, alerts }) {
    const items = itemsOf(status, alerts);

    if (!status) return <div class="card attention dash-attention" />;
    if (items.length === 0)
        return (
            <p class="card attention dash-attention attention-none">
                <CheckIcon size={18} />
                Nothing needs a look.
            </p>
        );
    return (
        <section class="card attention dash-attention" aria-labelledby="dash-attention" tabindex={0}>
            <div class="dash-head">
                <h2 id="dash-attention">Needs a look</h2>
            </div>
            <ul>
                {items.slice(0, SHOWN).map((item) => (
                    <li key={item.key}>
                        <WarningIcon size={18} />
                        <span class="attention-text">
                            {asSentence(item.text)}
                            {item.since && (
                                <span class="soft">
                                    {' '}
                                    <Time at={item.since} />
                                </span>
                            )}
                        </span>
                        {item.place && <Link to={item.place[0]}>{item.place[1]}</Link>}
                    </li>
                ))}
                {items.length > SHOWN && <li class="soft">and {items.length - SHOWN} more</li>}
            </ul>
        </section>
    );
}
