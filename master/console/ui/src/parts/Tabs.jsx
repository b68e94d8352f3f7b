/* <Tabs label="View" tabs={[['all', 'All'], ['held', 'Held']]} now={tab} onPick={setTab} />
 * The panel below is the caller's; only one exists at a time. */
const STEPS = { ArrowRight: 1, ArrowLeft: -1 };

export function Tabs({ label, tabs, now, onPick }) {
    function keyPressed(event) {
        const at = tabs.findIndex(([name]) => name === now);
        const step = STEPS[event.key];

        if (!step) return;
        event.preventDefault();
        const to = (at + step + tabs.length) % tabs.length;

        onPick(tabs[to][0]);
        event.currentTarget.children[to].focus();
    }

    return (
        <div class="tabs" role="tablist" aria-label={label} onKeyDown={keyPressed}>
            {tabs.map(([name, text, figure]) => (
                <button key={name} type="button" role="tab" aria-selected={name === now} tabindex={name === now ? 0 : -1} onClick={() => onPick(name)}>
                    {text}
                    {figure !== undefined && <span class="tab-figure num">{figure}</span>}
                </button>
            ))}
        </div>
    );
}
