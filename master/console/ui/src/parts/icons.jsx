/* The icons, drawn on a grid of 24 with one stroke width. They say nothing by themselves: a text or
 * an aria-label stands beside each. */
function icon(...paths) {
    const isDots = paths.every((d) => d.endsWith('h.01'));

    return function Icon({ size = 20, ...rest }) {
        return (
            <svg
                class="icon"
                width={size}
                height={size}
                viewBox="0 0 24 24"
                fill="none"
                stroke="currentColor"
                stroke-width={isDots ? 2.75 : 1.75}
                stroke-linecap="round"
                stroke-linejoin="round"
                aria-hidden="true"
                {...rest}
            >
                {paths.map((d) => (
                    <path key={d} d={d} />
                ))}
            </svg>
        );
    };
}

export const DashboardIcon = icon('M4 19a9.5 9.5 0 1 1 16 0', 'M12 15l4-5.5', 'M12 15h.01');
export const ServersIcon = icon('M4 4.5h16v6H4z', 'M4 13.5h16v6H4z', 'M7.5 7.5h.01', 'M7.5 16.5h.01', 'M12 7.5h4.5', 'M12 16.5h4.5');
export const RulesIcon = icon('M4 6h4', 'M4 12h4', 'M4 18h4', 'M12 6h8', 'M12 12h8', 'M12 18h5');
export const QueueIcon = icon('M4 13l2.5-8h11L20 13', 'M4 13v6h16v-6h-5l-1.5 2.5h-3L9 13z');
export const QuarantineIcon = icon('M12 3l7.5 3v5.5c0 4.6-3 7.9-7.5 9.5-4.5-1.6-7.5-4.9-7.5-9.5V6z', 'M9.5 9.5l5 5', 'M14.5 9.5l-5 5');
export const FailedIcon = icon('M3.5 6h17v12.5h-17z', 'M3.5 7l8.5 6 8.5-6');
export const AuditIcon = icon('M6 3.5h12v17H6z', 'M9 8h6', 'M9 12h6', 'M9 16h3.5');
export const AccountsIcon = icon('M12 11.5a3.75 3.75 0 1 0 0-7.5 3.75 3.75 0 0 0 0 7.5z', 'M4.5 20.5c.5-4 3.5-6 7.5-6s7 2 7.5 6');
export const SettingsIcon = icon('M4 7h9', 'M17 7h3', 'M15 5v4', 'M4 12h3', 'M11 12h9', 'M9 10v4', 'M4 17h7', 'M15 17h5', 'M13 15v4');
export const HelpIcon = icon('M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z', 'M9.5 9.5a2.6 2.6 0 1 1 3.6 2.4c-.7.3-1.1.8-1.1 1.6v.3', 'M12 17h.01');
export const PlusIcon = icon('M12 5v14', 'M5 12h14');
export const CloseIcon = icon('M6 6l12 12', 'M18 6L6 18');
export const CheckIcon = icon('M5 12.5l4.5 4.5L19 7.5');
export const MinusIcon = icon('M6 12h12');
export const TrashIcon = icon('M4.5 7h15', 'M9.5 7V4h5v3', 'M6.5 7l1 13h9l1-13', 'M10 11v5.5', 'M14 11v5.5');
export const MoreIcon = icon('M5.5 12h.01', 'M12 12h.01', 'M18.5 12h.01');
export const GripIcon = icon('M12 5.5h.01', 'M12 12h.01', 'M12 18.5h.01');
export const DownIcon = icon('M6 9.5l6 6 6-6');
export const RightIcon = icon('M9.5 6l6 6-6 6');
export const LeftIcon = icon('M14.5 6l-6 6 6 6');
export const SearchIcon = icon('M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13z', 'M15.5 15.5L20 20');
export const RetryIcon = icon('M19.5 12a7.5 7.5 0 1 1-2.4-5.5', 'M19.5 3.5v4h-4');
export const PauseIcon = icon('M8.5 5.5v13', 'M15.5 5.5v13');
export const PlayIcon = icon('M7.5 5l11 7-11 7z');
export const LinkOutIcon = icon('M13.5 4.5h6v6', 'M19.5 4.5L11 13', 'M17.5 13.5v6h-13v-13h6');
export const WarningIcon = icon('M12 4l9 16H3z', 'M12 10v4.5', 'M12 17.25h.01');
export const InfoIcon = icon('M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z', 'M12 11v5.5', 'M12 7.75h.01');
export const ClockIcon = icon('M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z', 'M12 7v5l3.5 2');
export const LockIcon = icon('M5.5 11h13v9.5h-13z', 'M8.5 11V7.5a3.5 3.5 0 0 1 7 0V11');
export const KeyIcon = icon('M8 16.5a4 4 0 1 0 0-8 4 4 0 0 0 0 8z', 'M12 12.5h8.5', 'M17.5 12.5v3.5');
export const LogOutIcon = icon('M10 4.5H5v15h5', 'M10 12h10', 'M16.5 8.5L20 12l-3.5 3.5');
export const CopyIcon = icon('M9 9h10.5v10.5H9z', 'M15 9V4.5H4.5V15H9');
export const SendIcon = icon('M20.5 3.5L3.5 10l7 3.5 3.5 7z', 'M20.5 3.5l-10 10');
export const RouteIcon = icon('M4 18h4.5c2 0 3-1 3.8-3l1.4-5c.8-2 1.8-3 3.8-3H20', 'M17 3.5L20.5 7 17 10.5', 'M4 7h4');
export const MenuIcon = icon('M4 7h16', 'M4 12h16', 'M4 17h16');

/* The mark: the small gate beside the large one. */
export function Mark({ size = 28 }) {
    return (
        <svg class="mark" width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
            <rect width="32" height="32" rx="7" />
            <path d="M8.5 25V14.5a7.5 7.5 0 0 1 15 0V25" class="mark-arch" />
            <path d="M12.6 25v-9.9a3.4 3.4 0 0 1 6.8 0V25z" class="mark-door" />
        </svg>
    );
}
