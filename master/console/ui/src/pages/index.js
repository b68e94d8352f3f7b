/* Every page: the one table that the navigation and the router read.
 *
 *   path    exact; ":id" stands for one segment of letters and digits, given to the page as `id`
 *   page    the component
 *   title   in the navigation, with icon and group; a page without an icon is not listed there
 *   under   the listed page that a page without an icon belongs to
 *   inBar   on phones it stands in the bar at the bottom (the first four that do), as `short` if the
 *           title is too long for that
 *   role    "admin": only for these; without it everybody's
 *
 * The first one is where "/" leads. */
import { AccountsIcon, AuditIcon, DashboardIcon, FailedIcon, HelpIcon, QuarantineIcon, QueueIcon, RulesIcon, ServersIcon, SettingsIcon } from '../parts/icons.jsx';
import { Accounts } from './Accounts.jsx';
import { Audit } from './Audit.jsx';
import { Dashboard } from './Dashboard.jsx';
import { Help } from './Help.jsx';
import { MessageOfFailed, MessageOfQuarantine, MessageOfQueue } from './Message.jsx';
import { ProfileEdit, ProfileNew } from './ProfileEditor.jsx';
import { Profiles } from './Profiles.jsx';
import { Failed, Quarantine, Queue } from './Queue.jsx';
import { RuleEdit, RuleNew } from './RuleEditor.jsx';
import { Rules } from './Rules.jsx';
import { Settings } from './Settings.jsx';

export const groups = [
    ['mail', ''],
    ['setup', 'Configuration'],
    ['system', 'System'],
];

export const pages = [
    { path: '/', page: Dashboard, title: 'Dashboard', icon: DashboardIcon, group: 'mail', inBar: true },
    { path: '/queue', page: Queue, title: 'Queue', icon: QueueIcon, group: 'mail', inBar: true },
    { path: '/queue/:id', page: MessageOfQueue, under: '/queue' },
    { path: '/quarantine', page: Quarantine, title: 'Quarantine', icon: QuarantineIcon, group: 'mail', inBar: true },
    { path: '/quarantine/:id', page: MessageOfQuarantine, under: '/quarantine' },
    { path: '/failed', page: Failed, title: 'Failed', icon: FailedIcon, group: 'mail' },
    { path: '/failed/:id', page: MessageOfFailed, under: '/failed' },
    { path: '/profiles', page: Profiles, title: 'Server profiles', icon: ServersIcon, group: 'setup', inBar: true, short: 'Profiles' },
    { path: '/profiles/new', page: ProfileNew, under: '/profiles', role: 'admin' },
    { path: '/profiles/:id', page: ProfileEdit, under: '/profiles' },
    { path: '/rules', page: Rules, title: 'Security rules', icon: RulesIcon, group: 'setup' },
    { path: '/rules/new', page: RuleNew, under: '/rules', role: 'admin' },
    { path: '/rules/:id', page: RuleEdit, under: '/rules' },
    { path: '/settings', page: Settings, title: 'Settings', icon: SettingsIcon, group: 'system' },
    { path: '/accounts', page: Accounts, title: 'Accounts', icon: AccountsIcon, group: 'system', role: 'admin' },
    { path: '/audit', page: Audit, title: 'Audit log', icon: AuditIcon, group: 'system' },
    { path: '/help', page: Help, title: 'Help', icon: HelpIcon, group: 'system' },
];
