/* One request for each of many, a few at a time. Resolves when all have been answered, or none is begun
 * any more: because of stop(), or of a refusal after which the others have no hope either. */
const AT_ONCE = 4;

export async function inParallel(items, act, { onProgress = () => {}, isHopeless = () => false } = {}) {
    const done = [];
    const failed = []; // { item, problem }; problem null: not tried
    let next = 0;
    let isStopped = false;
    const stop = () => (isStopped = true);

    async function work() {
        while (next < items.length && !isStopped) {
            const item = items[next++];

            try {
                await act(item);
                done.push(item);
            } catch (problem) {
                failed.push({ item, problem });
                if (isHopeless(problem)) stop();
            }
            onProgress(done.length + failed.length, stop);
        }
    }

    onProgress(0, stop);
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    while (next < items.length) failed.push({ item: items[next++], problem: null });
    return { done, failed };
}
