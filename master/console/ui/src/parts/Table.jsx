/* A table with a head that stays; on phones every row is a card.
 *
 *   <Table label="Queue" rows={rows} rowKey={(r) => r.id} columns={[
 *       { title: 'Sender', cell: (r) => r.sender, isMain: true },
 *       { title: 'Size', cell: (r) => bytes(r.bytes), isFigure: true },
 *       { title: 'Actions', hideTitle: true, cell: (r) => <Menu .../> },
 *   ]} />
 *
 * to(row): where a click on the row leads (put a <Link> into the main cell as well: that is what
 * keyboards and readers use). selection: { keys: Set, onChange(Set), labelOf(row) } gives each row a
 * check box, but those that canChoose(row), if there is one, is not true for. `width`: of a column, as CSS has it. */
import { navigate } from '../app/router.jsx';

function AllBox({ rows, rowKey, selection }) {
    const keys = rows.filter((row) => selection.canChoose?.(row) ?? true).map(rowKey);
    const chosen = keys.filter((key) => selection.keys.has(key)).length;

    return (
        <input
            type="checkbox"
            aria-label="All on this page"
            checked={chosen > 0 && chosen === keys.length}
            ref={(element) => {
                if (element) element.indeterminate = chosen > 0 && chosen < keys.length;
            }}
            onChange={(event) => selection.onChange(new Set(event.currentTarget.checked ? keys : []))}
        />
    );
}

function RowBox({ row, name, selection }) {
    function change(event) {
        const keys = new Set(selection.keys);

        if (event.currentTarget.checked) keys.add(name);
        else keys.delete(name);
        selection.onChange(keys);
    }

    return (
        <label class="row-box">
            <input type="checkbox" aria-label={`Choose ${selection.labelOf(row)}`} checked={selection.keys.has(name)} onChange={change} />
        </label>
    );
}

function classOf(column) {
    return [column.isFigure && 'num cell-figure', column.isMain && 'cell-main', column.class].filter(Boolean).join(' ') || undefined;
}

/* A press on a row is one on its link, unless something of its own was pressed or text is chosen. */
function follow(event, to) {
    if (event.target.closest('a, button, input, label, select, summary')) return;
    if (String(window.getSelection())) return;
    if (event.ctrlKey || event.metaKey) window.open(to, '_blank', 'noopener');
    else navigate(to);
}

export function Table({ label, columns, rows, rowKey, to, selection, rowClass }) {
    return (
        <div class="table-frame">
            <table class="table" role="table" aria-label={label}>
                <thead role="rowgroup">
                    <tr role="row">
                        {selection && (
                            <th role="columnheader" scope="col" class="cell-box">
                                <AllBox rows={rows} rowKey={rowKey} selection={selection} />
                            </th>
                        )}
                        {columns.map((column) => (
                            <th key={column.title} role="columnheader" scope="col" class={classOf(column)} style={column.width ? { width: column.width } : undefined}>
                                <span class={column.hideTitle ? 'sr-only' : undefined}>{column.title}</span>
                            </th>
                        ))}
                    </tr>
                </thead>
                <tbody role="rowgroup">
                    {rows.map((row) => {
                        const name = rowKey(row);
                        const target = to?.(row);

                        return (
                            <tr
                                key={name}
                                role="row"
                                class={[target && 'is-link', selection?.keys.has(name) && 'is-chosen', rowClass?.(row)].filter(Boolean).join(' ') || undefined}
                                onClick={target ? (event) => follow(event, target) : undefined}
                            >
                                {selection && (
                                    <td role="cell" class="cell-box">
                                        {(selection.canChoose?.(row) ?? true) && <RowBox row={row} name={name} selection={selection} />}
                                    </td>
                                )}
                                {columns.map((column) => (
                                    <td key={column.title} role="cell" class={classOf(column)} data-title={column.hideTitle || column.isMain ? undefined : column.title}>
                                        {column.cell(row)}
                                    </td>
                                ))}
                            </tr>
                        );
                    })}
                </tbody>
            </table>
        </div>
    );
}

/* Pages of a list that only knows what comes next. `text` says where one is. */
export function Pager({ text, onFirst, onNext, children }) {
    return (
        <nav class="pager" aria-label="Pages">
            <span class="pager-text num" role="status">
                {text}
            </span>
            {children}
            <button type="button" class="button button-plain" disabled={!onFirst} onClick={onFirst}>
                First page
            </button>
            <button type="button" class="button button-plain" disabled={!onNext} onClick={onNext}>
                Next page
            </button>
        </nav>
    );
}
