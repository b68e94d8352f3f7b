/* The gateway's clock, as the browser's may be wrong: "in 9 min" has to be true where the mail waits.
 *
 * Each answer says when it was made (Date, in whole seconds). Less than SLACK_MS apart counts as the
 * same: that is what a second and the way of an answer make of two clocks that agree. */
const SLACK_MS = 3000;
const PROMPT_MS = 1500; // an answer that took longer says too little of when it was made

let ahead = 0;

export function hearClock(date, askedAt, now = Date.now()) {
    const made = Date.parse(date ?? '');

    if (Number.isNaN(made) || now - askedAt > PROMPT_MS) return;
    const apart = made + 500 - now;

    if (Math.abs(apart) < SLACK_MS) ahead = 0;
    else if (Math.abs(apart - ahead) >= SLACK_MS) ahead = apart;
}

export function gatewayNow() {
    return Date.now() + ahead;
}

const LONGEST_MS = 2 ** 31 - 1; // that a timer of browsers can wait: some 24 days

/* Once, when the gateway's clock is there; never if it was already. Returns what takes it back. */
export function at(time, act) {
    let timer = 0;

    function wait() {
        const left = time - gatewayNow();

        if (left <= 0) act();
        else timer = setTimeout(wait, Math.min(left, LONGEST_MS));
    }

    if (time > gatewayNow()) wait();
    return () => clearTimeout(timer);
}
