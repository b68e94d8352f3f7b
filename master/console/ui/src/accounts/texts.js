/* What is said about accounts in more than one place. */
export const roles = [
    ['viewer', 'Viewer', 'Sees everything but accounts, and changes nothing.'],
    ['admin', 'Administrator', 'Sees and changes everything, accounts as well.'],
];

export const roleNames = Object.fromEntries(roles);

export const PASSWORD_HELP = 'At least 12 characters, any that you like, and not one that is easily guessed.';

/* Refusals that deserve more than the gateway says. */
export const sentences = {
    last_admin: 'This is the last administrator: somebody must be able to change things here. Make another one first.',
    stale: 'Somebody else has changed this account meanwhile. Close this and look again.',
};
