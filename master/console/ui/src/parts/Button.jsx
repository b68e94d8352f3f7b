/* <Button kind="primary" icon={PlusIcon} busy>Save</Button>
 *
 * kind: "primary" (one per view), "plain" (the default), "danger", "quiet" (without a frame).
 * busy: it works on it; the button keeps its width and takes no second press. `to`: a link that
 * looks like a button. Without children give a `label`: it is read out and shown as a tooltip. */
import { Link } from '../app/router.jsx';

export function Button({ kind = 'plain', icon: Icon, busy = false, label, to, size, class: extra, children, disabled, ...rest }) {
    const isBare = children === undefined || children === null;
    const classes = ['button', `button-${kind}`, isBare && 'button-bare', size === 'small' && 'button-small', extra].filter(Boolean).join(' ');
    const inside = (
        <>
            {Icon && <Icon size={size === 'small' ? 16 : 18} />}
            {!isBare && <span class="button-text">{children}</span>}
            {busy && <span class="spinner" aria-hidden="true" />}
        </>
    );

    if (to)
        return (
            <Link to={to} class={classes} aria-label={label} title={label} {...rest}>
                {inside}
            </Link>
        );
    return (
        <button
            type="button"
            class={classes}
            aria-label={label}
            title={label}
            aria-busy={busy || undefined}
            disabled={disabled}
            aria-disabled={busy || undefined}
            {...rest}
            onClick={busy ? (event) => event.preventDefault() : rest.onClick}
        >
            {inside}
        </button>
    );
}
