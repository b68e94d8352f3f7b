/* Queue, Quarantine, Failed: three looks at the mail that is here. */
import { useState } from 'preact/hooks';

import { withQuery } from '../app/paths.js';
import { setQuery, useQuery } from '../app/router.jsx';
import { useCanChange } from '../app/session.js';
import { TestMessage } from '../dashboard/TestMessage.jsx';
import { Button } from '../parts/Button.jsx';
import { FailedIcon, QuarantineIcon, QueueIcon, SearchIcon, SendIcon } from '../parts/icons.jsx';
import { Empty, Page } from '../parts/Page.jsx';
import { Failures } from '../queue/Dialogs.jsx';
import { Filters } from '../queue/Filters.jsx';
import { keepList } from '../queue/last_list.js';
import { MailList } from '../queue/MailList.jsx';
import { statesOf } from '../queue/states.js';

function NothingFits({ page }) {
    return (
        <Empty icon={SearchIcon} title={page > 1 ? 'Nothing is left on this page' : 'Nothing fits'} actions={<Button onClick={() => setQuery({})}>{page > 1 ? 'To the first page' : 'Clear filters'}</Button>}>
            <p>{page > 1 ? 'What stood here has left the queue meanwhile.' : 'No message is here that fits what is chosen above.'}</p>
        </Empty>
    );
}

function MailPage({ base, title, text, source, verbs, hasState = false, actions, empty }) {
    const query = useQuery();
    const { state, profile, rule } = query;
    const hasFilter = Boolean(state || profile || rule);
    const address = withQuery(base, query);

    keepList(base, address);

    return (
        <Page title={title} text={text} actions={actions}>
            <Filters base={base} query={query} hasState={hasState} />
            <MailList
                key={address}
                base={base}
                source={source}
                query={query}
                verbs={verbs}
                label={title}
                empty={(page) => (hasFilter || page > 1 ? <NothingFits page={page} /> : empty)}
            />
            <Failures />
        </Page>
    );
}

export function Queue() {
    const canChange = useCanChange();
    const [isSending, setSending] = useState(false);
    const send = canChange && (
        <Button icon={SendIcon} onClick={() => setSending(true)}>
            Send a test message
        </Button>
    );

    return (
        <>
            <MailPage
                base="/queue"
                title="Queue"
                text="Mail on its way, oldest first. A message whose recipients go different ways stands here once for each."
                source={{ api: '/queue', state: statesOf }}
                verbs={['retry', 'hold', 'release', 'reroute', 'delete']}
                hasState
                empty={
                    <Empty icon={QueueIcon} title="No mail waits" actions={send}>
                        <p>Mail is here from the moment it is taken until the next server has taken it, mostly for less than a second. What cannot be delivered yet waits here and is tried again.</p>
                    </Empty>
                }
            />
            {isSending && <TestMessage onClose={() => setSending(false)} />}
        </>
    );
}

export function Quarantine() {
    return (
        <MailPage
            base="/quarantine"
            title="Quarantine"
            text="Mail in which a scan blocked something. Nobody gets it until you decide."
            source={{ api: '/quarantine', state: () => undefined }}
            verbs={['release', 'rescan', 'forward', 'delete']}
            empty={
                <Empty icon={QuarantineIcon} title="Nothing is in quarantine">
                    <p>A security rule that names a MetaDefender Core has mail scanned. What the scan blocks is kept here, if the rule says so; you look at it, then release, forward or delete it.</p>
                </Empty>
            }
        />
    );
}

export function Failed() {
    return (
        <MailPage
            base="/failed"
            title="Failed"
            text="Mail that could not be delivered for good. It is kept until you retry, reroute or delete it."
            source={{ api: '/queue', state: () => 'failed' }}
            verbs={['retry', 'reroute', 'delete']}
            empty={
                <Empty icon={FailedIcon} title="Nothing has failed">
                    <p>A message comes here when a server refuses it for good, or when it could not be delivered for as long as its profile allows.</p>
                </Empty>
            }
        />
    );
}
