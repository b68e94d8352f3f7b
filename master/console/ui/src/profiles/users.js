/* What a profile has to do with the rest: its servers' health, the rules and settings that use it. */
const roles = { relay: 'relays by it', core: 'scans there', vault: 'uploads there' };

export function rulesOf(profile, rules) {
    return rules.filter((rule) => Object.keys(roles).some((role) => rule[role] === profile.name));
}

export function usersOf(profile, rules, settings) {
    const users = rulesOf(profile, rules).map((rule) => {
        const role = Object.keys(roles).find((r) => rule[r] === profile.name);

        return { text: `Rule “${rule.name}” ${roles[role]}`, to: `/rules/${rule.id}` };
    });

    if (settings?.postmaster?.profile === profile.name) users.push({ text: 'The setting for postmaster’s mail', to: '/settings' });
    if (settings?.alerts?.profile === profile.name) users.push({ text: 'The setting for alerts by mail', to: '/settings' });
    return users;
}

/* One of GET /servers for each of its servers, in its order, as the gateway lists them (which knows a
 * name with its A-labels only). */
export function healthsOf(profile, servers) {
    const own = servers.filter((s) => s.profile === profile.name);

    return profile.servers.map((uri, i) => (own.length === profile.servers.length ? own[i] : own.find((s) => s.server === uri)));
}
