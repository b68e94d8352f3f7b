/* How full something is, for the eye: the figures stand beside it. share: 0 to 1. */
export function Bar({ share }) {
    return (
        <span class="bar" aria-hidden="true">
            <span style={{ width: `${100 * Math.min(Math.max(share, 0), 1)}%` }} />
        </span>
    );
}
