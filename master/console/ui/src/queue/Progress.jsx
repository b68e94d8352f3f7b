/* How far an order about many is, in the bulk bar, with what stops it. */
import { useEffect, useRef } from 'preact/hooks';

import { number } from '../app/format.js';
import { Button } from '../parts/Button.jsx';
import { progressText } from './all_texts.js';

function Row({ text, now, isStopping = false }) {
    return (
        <>
            <label class="editor-bar-text bulk-progress">
                <span class="num">{text}</span>
                <progress max={now.all} value={now.done} />
            </label>
            <Button onClick={now.stop} busy={isStopping}>
                Stop
            </Button>
        </>
    );
}

/* Of those that were chosen one by one. */
export function Progress({ now }) {
    return <Row text={`${now.doing}: ${number(now.done)} of ${number(now.all)}`} now={now} />;
}

/* Of all that matched. What had the focus is gone when it begins, and when it ends: it goes to Stop, and
 * from there to the page's title. */
export function AllProgress({ now }) {
    const frame = useRef(null);

    useEffect(() => {
        const element = frame.current;
        const timer = setTimeout(() => document.activeElement === document.body && element.querySelector('button').focus());

        return () => {
            clearTimeout(timer);
            if (element.contains(document.activeElement)) document.querySelector('h1').focus({ preventScroll: true });
        };
    }, []);

    return (
        <div class="bulk-all" ref={frame}>
            <Row text={progressText(now)} now={now} isStopping={now.isStopping} />
        </div>
    );
}
