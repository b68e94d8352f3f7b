/* A connection test as it runs: steps come one by one, of several servers side by side. */
const names = {
    resolve: 'Look up',
    connect: 'Connect',
    tls: 'TLS',
    greeting: 'Greeting',
    ehlo: 'EHLO',
    starttls: 'STARTTLS',
    certificate: 'Certificate',
    auth: 'Log in',
    request: 'Request',
    quit: 'Goodbye',
};

export function stepName(step) {
    return names[step] ?? step;
}

/* { servers: [{ server, steps, changes, state }], isOver }; state: running, passed, failed */
export function beginLadder(servers) {
    return { servers: servers.map((server) => ({ server, steps: [], changes: [], state: 'running' })), isOver: false };
}

function stateAfter(state, step) {
    if (step.result === 'failed') return 'failed';
    return state === 'running' && step.step === 'quit' ? 'passed' : state;
}

function addTo(entry, line) {
    if ('was' in line) return { ...entry, changes: [...entry.changes, line] };
    return { ...entry, steps: [...entry.steps, line], state: stateAfter(entry.state, line) };
}

/* One line of the stream. A server is known by its stored form, which is learnt from the stream where
 * the page does not know it yet. */
export function addLine(ladder, line) {
    const at = ladder.servers.findIndex((s) => s.server === line.server);
    const servers = [...ladder.servers];

    if (at >= 0) servers[at] = addTo(servers[at], line);
    else servers.push(addTo({ server: line.server, steps: [], changes: [], state: 'running' }, line));
    return { ...ladder, servers };
}

/* The whole test, as the answer has it. */
export function endLadder(test) {
    return {
        isOver: true,
        servers: test.servers.map((s) => ({
            server: s.server,
            steps: s.steps,
            state: s.passed ? 'passed' : 'failed',
            changes: (s.changes ?? []).map((change) => ({ ...change, since: s.last?.time })),
        })),
    };
}

export function failedStep(entry) {
    return entry.steps.find((s) => s.result === 'failed');
}
