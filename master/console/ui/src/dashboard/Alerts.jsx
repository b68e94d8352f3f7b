/* The last alerts: what began and ended, and log lines of level alert. */
import { useState } from 'preact/hooks';

import { Button } from '../parts/Button.jsx';
import { Dot } from '../parts/Health.jsx';
import { Skeleton } from '../parts/Page.jsx';
import { Time } from '../parts/Time.jsx';
import { isStanding, asSentence } from './attention.js';

const SHOWN = 10;
const SHOWN_MAX = 100;

function State({ alert }) {
    if (isStanding(alert)) return <Dot tone="bad">Stands</Dot>;
    if (alert.kind === 'log') return <Dot tone="warn">Logged</Dot>;
    return <Dot tone="off">Over</Dot>;
}

function Alert({ alert }) {
    return (
        <li>
            <span class="alert-head">
                <State alert={alert} />
                {alert.count > 1 && <span class="tag num">{alert.count} times</span>}
                <span class="soft">
                    <Time at={alert.last ?? alert.time} />
                </span>
            </span>
            <span class="alert-text">{asSentence(alert.text)}</span>
        </li>
    );
}

export function Alerts({ alerts }) {
    const [isAll, setAll] = useState(false);
    const shown = alerts?.slice(0, isAll ? SHOWN_MAX : SHOWN);

    return (
        <section class="card dash-card dash-alerts" aria-labelledby="dash-alerts">
            <div class="dash-head">
                <h2 id="dash-alerts">Last alerts</h2>
                {alerts?.length > SHOWN && (
                    <Button size="small" kind="quiet" aria-expanded={isAll} onClick={() => setAll(!isAll)}>
                        {isAll ? 'Fewer' : `All ${alerts.length}`}
                    </Button>
                )}
            </div>
            {!alerts && <Skeleton lines={3} />}
            {alerts?.length === 0 && <p class="soft">No alert since the gateway started.</p>}
            {alerts?.length > 0 && (
                <ul class="alert-list" tabindex={0} aria-labelledby="dash-alerts">
                    {shown.map((alert) => (
                        <Alert key={alert.number} alert={alert} />
                    ))}
                </ul>
            )}
        </section>
    );
}
