/* What stands and should be looked at: warnings of `status` and alerts that are not over, each with the
 * place where one acts. */
import { upper, visible } from '../app/format.js';

/* Where to act, by what a warning begins with. */
const places = [
    [/^(no )?server |^profile /, '/profiles', 'Server profiles'],
    [/^(no )?rule /, '/rules', 'Rules'],
    [/^the setting |^key_file /, '/settings', 'Settings'],
    [/^the console/, '/settings', 'Settings'],
];

const placeOfKind = {
    server_down: ['/profiles', 'Server profiles'],
    login_refused: ['/profiles', 'Server profiles'],
    profile_down: ['/profiles', 'Server profiles'],
    scans_fail: ['/profiles', 'Server profiles'],
    uploads_fail: ['/profiles', 'Server profiles'],
    queue_length: ['/queue', 'Queue'],
    queue_age: ['/queue', 'Queue'],
    message_held: ['/queue?state=held', 'Held messages'],
    certificate: ['/settings', 'Settings'],
};

export function isStanding(alert) {
    return alert.kind !== 'log' && alert.ended === null;
}

/* As a sentence, unless it begins with an address. */
export function asSentence(text) {
    const shown = visible(text);

    return /^[a-z]+:/.test(shown) ? shown : upper(shown);
}

/* A time within a text as people read it. */
export function readable(text) {
    return text.replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, (time) => new Date(time).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'short' }));
}

export function itemsOf(status, alerts) {
    const standing = alerts.filter(isStanding).map((alert) => ({ key: `a${alert.number}`, text: alert.text, since: alert.since, place: placeOfKind[alert.kind] }));
    // A profile that takes no mail is a warning and an alert: told once, with the reason.
    const down = alerts.filter((a) => isStanding(a) && a.kind === 'profile_down').map((a) => `no server of profile "${a.object}"`);
    const warnings = (status?.warnings ?? [])
        .filter((text) => !down.some((start) => text.startsWith(start)))
        .map((text) => ({ key: text, text: readable(text), place: places.find(([pattern]) => pattern.test(text))?.slice(1) }));

    return [...standing, ...warnings];
}
