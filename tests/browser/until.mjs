/* until.mjs: waiting for what no locator can wait for. */
const EVERY_MS = 30;

/* Resolves to condition()'s first true value. */
export async function until(what, condition, seconds = 10) {
    const deadline = performance.now() + seconds * 1000;

    for (;;) {
        const value = await condition();

        if (value) return value;
        if (performance.now() > deadline) throw new Error(`not within ${seconds} s: ${what}`);
        await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    }
}

export function same(got, wanted, what) {
    const [a, b] = [got, wanted].map((value) => JSON.stringify(value));

    if (a !== b) throw new Error(`${what}: ${a}, not ${b}`);
}
