/* Who is logged in.
 *
 * phase: "starting", "unreachable", "first" (there is no account yet), "out", "in". While "out" after
 * having been in, the page behind the log-in stays as it is; it is given up when another account logs
 * in, or on an explicit log-out: then `serial` changes. */
import { get, Problem, request, setSessionHooks } from './api.js';
import { createStore, useStore } from './store.js';

const RETRY_MS = 2000;

export const session = createStore({ phase: 'starting', account: '', role: '', serial: 0, reason: '' });

function update(members) {
    session.set({ ...session.get(), ...members });
}

function enter(data) {
    const before = session.get();
    const isSame = before.account === data.account && before.role === data.role;

    setSessionHooks({ csrf: data.csrf });
    update({
        phase: 'in',
        account: data.account,
        role: data.role,
        ends: data.ends,
        idleSeconds: data.idle_seconds,
        reason: '',
        serial: isSame ? before.serial : before.serial + 1,
    });
}

async function isFirst() {
    try {
        return (await get('/first')).needed === true;
    } catch {
        return false;
    }
}

export async function startSession() {
    try {
        enter(await get('/sessions/current'));
    } catch (problem) {
        if (problem instanceof Problem && problem.status === 401) {
            update({ phase: (await isFirst()) ? 'first' : 'out' });
        } else {
            update({ phase: 'unreachable' });
            setTimeout(startSession, RETRY_MS);
        }
    }
}

export async function logIn(name, password) {
    enter((await request('POST', '/sessions', { body: { name, password } })).data);
}

export async function createFirst(code, name, password) {
    enter((await request('POST', '/first', { body: { code, name, password } })).data);
}

export async function logOut() {
    try {
        await request('DELETE', '/sessions/current');
    } catch (problem) {
        if (problem.status !== 401) throw problem;
    }
    setSessionHooks({ csrf: '' });
    update({ phase: 'out', account: '', role: '', reason: 'left', serial: session.get().serial + 1 });
}

setSessionHooks({
    ended() {
        if (session.get().phase === 'in') update({ phase: 'out', reason: 'ended' });
    },
    async renew() {
        try {
            const data = await get('/sessions/current');
            const now = session.get();

            if (data.account !== now.account || data.role !== now.role) {
                enter(data);
                return false;
            }
            setSessionHooks({ csrf: data.csrf });
            return true;
        } catch {
            return false;
        }
    },
});

export function useSession() {
    return useStore(session);
}

/* Viewers see everything and change nothing. */
export function useCanChange() {
    return useStore(session).role === 'admin';
}
