/* Dialogs, as the browser has them: the rest of the page is inert, Escape closes, and the focus goes
 * back to where it was.
 *
 *   <Dialog title="..." onClose={close} actions={<Button .../>}>...</Dialog>
 *   if (await ask({ title, text, yes: 'Delete', isDanger: true })) ...
 */
import { useEffect, useId, useRef } from 'preact/hooks';

import { session } from '../app/session.js';
import { createStore, useStore } from '../app/store.js';
import { Button } from './Button.jsx';
import { CloseIcon } from './icons.jsx';

export function Dialog({ title, onClose, actions, size = '', children, class: extra = '' }) {
    const dialog = useRef(null);
    const id = useId();

    useEffect(() => {
        const element = dialog.current;
        const opener = document.activeElement;

        // As long as it is open nothing else can be pressed: not even the log-in, when the session ends.
        const stayAway = ({ phase }) => {
            if (phase !== 'in') element.close();
            else requestAnimationFrame(() => element.isConnected && !element.open && element.showModal());
        };
        const forget = session.subscribe(stayAway);

        element.showModal();
        return () => {
            forget();
            element.close();
            if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
        };
    }, []);

    function cancel(event) {
        event.preventDefault();
        onClose();
    }

    return (
        <dialog ref={dialog} class={`dialog ${size ? `dialog-${size}` : ''} ${extra}`} aria-labelledby={id} onCancel={cancel}>
            <header class="dialog-head">
                <h2 id={id}>{title}</h2>
                <Button kind="quiet" icon={CloseIcon} label="Close" onClick={onClose} />
            </header>
            <div class="dialog-body">{children}</div>
            {actions && <footer class="dialog-foot">{actions}</footer>}
        </dialog>
    );
}

const question = createStore(null);

/* Resolves to true for yes, false for no. One at a time: a second one answers the first with no. */
export function ask({ title, text, yes = 'Go on', no = 'Cancel', isDanger = false }) {
    question.get()?.answer(false);
    return new Promise((resolve) => {
        question.set({
            title,
            text,
            yes,
            no,
            isDanger,
            answer(value) {
                question.set(null);
                resolve(value);
            },
        });
    });
}

/* Where ask() shows its questions; once in the page. */
export function Questions() {
    const now = useStore(question);

    if (now === null) return null;
    return (
        <Dialog
            title={now.title}
            onClose={() => now.answer(false)}
            actions={
                <>
                    <Button onClick={() => now.answer(false)} autofocus>
                        {now.no}
                    </Button>
                    <Button kind={now.isDanger ? 'danger' : 'primary'} onClick={() => now.answer(true)}>
                        {now.yes}
                    </Button>
                </>
            }
        >
            {typeof now.text === 'string' ? <p>{now.text}</p> : now.text}
        </Dialog>
    );
}
