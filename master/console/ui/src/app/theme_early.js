/* Before the first paint: the theme that this browser was told to use, so that nothing flashes.
 * app/theme.js changes it later. */
try {
    const theme = localStorage.getItem('postern.theme');

    if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
    /* storage is switched off: the system's theme */
}
