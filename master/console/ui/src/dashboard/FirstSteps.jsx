/* From nothing to the first mail: a profile, a rule, a test message. It stays until the last is sent, or
 * until one has had enough of it. */
import { useEffect, useState } from 'preact/hooks';

import { useCanChange } from '../app/session.js';
import { Button } from '../parts/Button.jsx';
import { CheckIcon } from '../parts/icons.jsx';

const KEY = 'postern.first-steps';

function stored() {
    try {
        return localStorage.getItem(KEY) === 'shown';
    } catch {
        return false;
    }
}

function store(isShown) {
    try {
        if (isShown) localStorage.setItem(KEY, 'shown');
        else localStorage.removeItem(KEY);
    } catch {
        /* it is forgotten when the page is left */
    }
}

/* { isNew, isShown, end }: whether the gateway still lacks something, or its teaching is not over. */
export function useFirstSteps(profiles, rules) {
    const isKnown = profiles !== null && rules !== null;
    const hasProfile = isKnown && profiles.some((p) => p.type === 'smtp');
    const hasRule = isKnown && rules.some((r) => r.enabled);
    const lacks = isKnown && !(hasProfile && hasRule);
    const [isOn, setOn] = useState(stored);

    useEffect(() => {
        if (!lacks) return;
        store(true);
        setOn(true);
    }, [lacks]);

    return {
        hasProfile,
        hasRule,
        isShown: isKnown && (lacks || isOn),
        end() {
            store(false);
            setOn(false);
        },
    };
}

function Step({ number, title, text, isDone, isNext, children }) {
    return (
        <li class={`first-step ${isDone ? 'is-done' : ''} ${isNext ? 'is-next' : ''}`} aria-current={isNext ? 'step' : undefined}>
            <span class="first-mark num">{isDone ? <CheckIcon size={16} /> : number}</span>
            <div class="first-body">
                <h3>
                    {title}
                    {isDone && <span class="sr-only"> (done)</span>}
                </h3>
                <p>{text}</p>
                {isNext && <div>{children}</div>}
            </div>
        </li>
    );
}

export function FirstSteps({ steps, onTest }) {
    const canChange = useCanChange();
    const { hasProfile, hasRule } = steps;
    const isLast = hasProfile && hasRule;

    return (
        <section class="card first-steps" aria-labelledby="first-steps">
            <div class="dash-head">
                <h2 id="first-steps">First steps</h2>
                {isLast && (
                    <Button size="small" kind="quiet" onClick={steps.end}>
                        I am done
                    </Button>
                )}
            </div>
            <ol>
                <Step number={1} title="Say where mail goes" text="A server profile names the mail servers that mail is relayed to. They are tested before it is saved." isDone={hasProfile} isNext={!hasProfile && canChange}>
                    <Button kind="primary" to="/profiles/new">
                        Make the first profile
                    </Button>
                </Step>
                <Step number={2} title="Say which mail goes there" text="A rule matches recipients, senders and clients, and names the profile. What no rule matches is refused." isDone={hasRule} isNext={hasProfile && !hasRule && canChange}>
                    <Button kind="primary" to="/rules/new">
                        Make the first rule
                    </Button>
                </Step>
                <Step number={3} title="See it go through" text="A test message takes the same way as mail that comes in from outside." isNext={isLast && canChange}>
                    <Button kind="primary" onClick={onTest}>
                        Send a test message
                    </Button>
                </Step>
            </ol>
        </section>
    );
}
