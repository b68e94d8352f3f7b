/* Members of nested objects by their path: "pool.size". */
export function valueAt(object, path) {
    return path.split('.').reduce((at, name) => at?.[name], object);
}

export function putAt(object, path, value) {
    const names = path.split('.');
    const last = names.pop();
    let at = object;

    for (const name of names) at = at[name] ??= {};
    at[last] = value;
}
