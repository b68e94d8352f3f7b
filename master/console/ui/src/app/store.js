/* A value that components share: get, set, and a hook that draws again when it changes. */
import { useLayoutEffect, useState } from 'preact/hooks';

export function createStore(value) {
    const listeners = new Set();

    return {
        get: () => value,
        set(next) {
            if (Object.is(next, value)) return;
            value = next;
            for (const listener of [...listeners]) listener(value);
        },
        subscribe(listener) {
            listeners.add(listener);
            return () => listeners.delete(listener);
        },
    };
}

export function useStore(store) {
    const [value, setValue] = useState(() => store.get());

    useLayoutEffect(() => {
        setValue(() => store.get());
        return store.subscribe((next) => setValue(() => next));
    }, [store]);
    return value;
}
