/* The API: one door to fetch().
 *
 *   get(path)                              -> what it holds
 *   request(method, path, {body, version}) -> { data, version }
 *   stream(method, path, {body, onLine})   -> { data, version }, every line before it as it comes
 *
 * `path` is below /api/v1. `version` is what an ETag held, and what If-Match says. Whatever is
 * refused, or not reached, is thrown as a Problem. A 401 "session" also ends the session here:
 * the log-in page comes up, and what was on the screen waits behind it. */
import { hearClock } from './clock.js';

const BASE = '/api/v1';

/* code: a word for programs, as the API's problem documents have it, and of our own: "offline" (no
 * answer), "cut" (an answer without its end: what was asked for may have been done). */
export class Problem extends Error {
    constructor(members) {
        super(members.detail);
        this.name = 'Problem';
        this.status = members.status ?? 0;
        this.code = members.code ?? '';
        this.title = members.title ?? '';
        this.detail = members.detail ?? '';
        this.errors = members.errors ?? [];
        this.warnings = members.warnings ?? [];
        this.test = members.test ?? null;
        this.tests = members.tests ?? null; // of an import, by profile
        this.retryAfter = members.retryAfter ?? 0; // seconds
    }
}

const hooks = { csrf: '', ended() {}, renew: async () => false };

/* For session.js: the token that changes need, what to do when the session is gone, and how to get a
 * fresh token (true: it is the same person's). */
export function setSessionHooks(next) {
    Object.assign(hooks, next);
}

function headersOf(method, { body, version, poll, accept }) {
    const headers = { Accept: accept ?? 'application/json' };

    if (body !== undefined) headers['Content-Type'] = 'application/json';
    if (version !== undefined && version !== null) headers['If-Match'] = `"${version}"`;
    if (method !== 'GET' && hooks.csrf) headers['X-Postern-CSRF'] = hooks.csrf;
    if (poll) headers['X-Postern-Poll'] = '1';
    return headers;
}

async function fetchOnce(method, path, options) {
    const askedAt = Date.now();

    try {
        const response = await fetch(BASE + path, {
            method,
            headers: headersOf(method, options),
            body: options.body === undefined ? undefined : JSON.stringify(options.body),
            credentials: 'same-origin',
            cache: 'no-store',
            redirect: 'error',
            signal: options.signal,
        });

        hearClock(response.headers.get('Date'), askedAt);
        return response;
    } catch (error) {
        if (error.name === 'AbortError') throw error;
        throw new Problem({ code: 'offline', detail: 'The gateway does not answer.' });
    }
}

async function toProblem(response) {
    let members = {};

    try {
        members = await response.json();
    } catch {
        /* not one of the API's own answers */
    }
    return new Problem({
        detail: `The gateway answered ${response.status}.`,
        ...members,
        status: response.status,
        retryAfter: Number(response.headers.get('Retry-After')) || 0,
    });
}

async function send(method, path, options) {
    for (let isFirst = true; ; isFirst = false) {
        const response = await fetchOnce(method, path, options);

        if (response.ok) return response;
        const problem = await toProblem(response);

        // Another tab has logged in anew: its token is ours, too, if it is the same person.
        if (problem.code === 'csrf' && isFirst && (await hooks.renew())) continue;
        if (problem.status === 401 && problem.code === 'session') hooks.ended();
        throw problem;
    }
}

function versionOf(response) {
    const match = /^"(\d+)"$/.exec(response.headers.get('ETag') ?? '');

    return match ? Number(match[1]) : null;
}

async function readWhole(response) {
    if (response.status === 204) return null;
    try {
        return await response.json();
    } catch {
        throw new Problem({ code: 'cut', detail: 'The answer of the gateway was cut short.' });
    }
}

export async function request(method, path, options = {}) {
    const response = await send(method, path, options);

    return { data: await readWhole(response), version: versionOf(response) };
}

export async function get(path, options) {
    return (await request('GET', path, options)).data;
}

async function* linesOf(body) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';

    for (;;) {
        const { value, done } = await reader.read();

        if (done) break;
        const lines = (rest + value).split('\n');

        rest = lines.pop();
        yield* lines;
    }
    if (rest) yield rest;
}

/* Lines until the one that has a status: that is the answer. */
export async function stream(method, path, { onLine, ...options }) {
    const response = await send(method, path, { ...options, accept: 'application/x-ndjson' });

    if (!(response.headers.get('Content-Type') ?? '').startsWith('application/x-ndjson'))
        return { data: await readWhole(response), version: versionOf(response) };
    try {
        for await (const line of linesOf(response.body)) {
            if (!line) continue;
            const members = JSON.parse(line);

            if (typeof members.status !== 'number') onLine(members);
            else if (members.status >= 400) throw new Problem(members);
            else return { data: members, version: null };
        }
    } catch (error) {
        if (error instanceof Problem || error.name === 'AbortError') throw error;
    }
    throw new Problem({
        code: 'cut',
        detail: 'The connection was lost before the answer: whether it was done is not known. Look again before you repeat it.',
    });
}
