/* Light, dark, or as the system says; kept in this browser only. */
import { createStore } from './store.js';

const KEY = 'postern.theme';

function stored() {
    return document.documentElement.dataset.theme ?? 'system';
}

export const theme = createStore(stored());

export function setTheme(name) {
    if (name === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = name;
    try {
        localStorage.setItem(KEY, name);
    } catch {
        /* it holds until the page is left */
    }
    theme.set(name);
}
