/* What goes on now: mail, queue, servers, workers, and what needs a look. All of it is live. */
import { useEffect, useState } from 'preact/hooks';

import { useLoad, usePoll } from '../app/poll.js';
import { useCanChange } from '../app/session.js';
import { Alerts } from '../dashboard/Alerts.jsx';
import { Attention } from '../dashboard/Attention.jsx';
import { Figures } from '../dashboard/Figures.jsx';
import { FirstSteps, useFirstSteps } from '../dashboard/FirstSteps.jsx';
import { chosen, Servers } from '../dashboard/Servers.jsx';
import { ASKED } from '../dashboard/series.js';
import { TestMessage } from '../dashboard/TestMessage.jsx';
import { Traffic } from '../dashboard/Traffic.jsx';
import { usePools } from '../dashboard/use_pools.js';
import { Workers } from '../dashboard/Workers.jsx';
import { Button } from '../parts/Button.jsx';
import { SendIcon } from '../parts/icons.jsx';
import { LiveState, Page } from '../parts/Page.jsx';

// So many servers are some hundred kilobytes each time: they are asked for less often.
const MANY = 200;
const LONG_EVERY_MS = 10000;

export function Dashboard() {
    const stats = usePoll(`/stats?minutes=${ASKED}`);
    const status = usePoll('/status');
    const [isLong, setLong] = useState(false);
    const servers = usePoll('/servers', { every: isLong ? LONG_EVERY_MS : undefined });
    const list = servers.data?.servers ?? [];
    // While it is not known how many there are nobody is asked.
    const pools = usePools(servers.data && list.length <= MANY ? null : [...new Set(chosen(list).map((s) => s.profile))]);
    const workers = usePoll('/workers');
    const profiles = useLoad('/profiles');
    const rules = useLoad('/rules');
    const canChange = useCanChange();
    const [isTesting, setTesting] = useState(false);
    const steps = useFirstSteps(profiles.data?.profiles ?? null, rules.data?.rules ?? null);
    const alerts = status.data?.alerts ?? null;

    useEffect(() => setLong(list.length > MANY), [list]);
    const hasServers = servers.data === null || servers.data.servers.length > 0;

    return (
        <Page
            title="Dashboard"
            actions={
                canChange &&
                steps.hasRule && (
                    <Button icon={SendIcon} onClick={() => setTesting(true)}>
                        Send a test message
                    </Button>
                )
            }
        >
            <LiveState view={stats} />
            {steps.isShown && <FirstSteps steps={steps} onTest={() => setTesting(true)} />}
            <div class="dash">
                <Attention status={status.data} alerts={alerts ?? []} />
                <Figures stats={stats.data} status={status.data} />
                <Traffic stats={stats.data} />
                <Alerts alerts={alerts} />
            </div>
            {hasServers && <Servers servers={servers.data?.servers ?? null} pools={pools} profiles={profiles.data?.profiles ?? []} />}
            <Workers workers={workers.data?.workers ?? null} />
            {isTesting && <TestMessage onClose={() => setTesting(false)} onSent={steps.end} />}
        </Page>
    );
}
