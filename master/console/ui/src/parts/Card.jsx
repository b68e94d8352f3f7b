/* A part of a page under a heading; folded, it opens on a press.
 *
 *   <Card name="pool" title="Connection pool" isFolded isOpen={hasError} hint="defaults">...</Card>
 *
 * `name` is for the heading's id. `isOpen`: one that is folded stands open. */
export function Card({ name, title, isFolded = false, isOpen = false, hint, children }) {
    if (!isFolded)
        return (
            <section class="card section" aria-labelledby={`section-${name}`}>
                <h2 id={`section-${name}`}>{title}</h2>
                {children}
            </section>
        );
    return (
        <details class="card section" open={isOpen || undefined}>
            <summary>
                <h2>{title}</h2>
                {hint && <span class="soft">{hint}</span>}
            </summary>
            <div class="section-body">{children}</div>
        </details>
    );
}
