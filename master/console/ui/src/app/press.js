/* What must wait until a button is let go: a press that moves what is below it misses what was meant.
 *
 *   afterPress(() => showMistakes())    at once, unless the mouse or a finger is down */
const waiting = [];
let isDown = false;

function letGo() {
    isDown = false;
    // The click comes after this, where the press began and ended.
    setTimeout(() => waiting.splice(0).forEach((act) => act()));
}

window.addEventListener('pointerdown', () => (isDown = true), true);
window.addEventListener('pointerup', letGo, true);
window.addEventListener('pointercancel', letGo, true);

export function afterPress(act) {
    if (isDown) waiting.push(act);
    else act();
}
