/* build.mjs: the page, from src/ to dist/.
 *
 * dist/index.html and dist/assets/NAME-HASH.EXT, which may be cached for ever, and each once more as
 * NAME.gz, which is what browsers are sent. Nothing in them
 * needs more than the page's Content-Security-Policy allows: no inline script, no inline style, no
 * eval, nothing from another host. What browsers have to load is printed and has a limit. */
import { createHash } from 'node:crypto';
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

import { build } from 'esbuild';

const ROOT = dirname(fileURLToPath(import.meta.url));
const SRC = join(ROOT, 'src');
const DIST = join(ROOT, 'dist');
const LIMIT = 150 * 1024; // bytes in all, as gzip -9 makes them
// Browsers of two years ago, and Firefox's long-term release.
const TARGET = ['chrome130', 'edge130', 'firefox128', 'safari18'];

async function bundle(entryPoints, format) {
    const result = await build({
        entryPoints,
        format,
        outdir: join(DIST, 'assets'),
        absWorkingDir: ROOT,
        entryNames: '[name]-[hash]',
        assetNames: '[name]-[hash]',
        bundle: true,
        minify: true,
        metafile: true,
        target: TARGET,
        legalComments: 'none',
        jsx: 'automatic',
        jsxImportSource: 'preact',
        logLevel: 'warning',
    });
    return Object.keys(result.metafile.outputs).map((path) => path.replace(/^dist\//, '/'));
}

async function copyIcon() {
    const icon = await readFile(join(SRC, 'icon.svg'));
    const hash = createHash('sha256').update(icon).digest('hex').slice(0, 8).toUpperCase();

    await writeFile(join(DIST, 'assets', `icon-${hash}.svg`), icon);
    return `/assets/icon-${hash}.svg`;
}

async function writeIndex(paths) {
    const template = await readFile(join(SRC, 'index.html'), 'utf8');
    const index = template.replace(/\{\{(.+?)\}\}/g, (_, name) => {
        const [stem, end] = name.split('.');
        const path = paths.find((p) => p.startsWith(`/assets/${stem}-`) && p.endsWith(`.${end}`));

        if (!path) throw new Error(`index.html names ${name}, which was not built`);
        return path;
    });
    await writeFile(join(DIST, 'index.html'), index);
}

async function packAndReport() {
    const names = ['index.html', ...(await readdir(join(DIST, 'assets'))).sort().map((n) => `assets/${n}`)];
    let plain = 0;
    let packed = 0;

    for (const name of names) {
        const content = await readFile(join(DIST, name));
        const small = gzipSync(content, { level: 9 });

        await writeFile(join(DIST, `${name}.gz`), small);
        plain += content.length;
        packed += small.length;
        console.log(`${name.padEnd(28)} ${String(content.length).padStart(8)} ${String(small.length).padStart(8)} gzip -9`);
    }
    console.log(`${'in all'.padEnd(28)} ${String(plain).padStart(8)} ${String(packed).padStart(8)} of ${LIMIT}`);
    return packed;
}

await rm(DIST, { recursive: true, force: true });
await mkdir(join(DIST, 'assets'), { recursive: true });
const built = [
    ...(await bundle({ app: join(SRC, 'main.jsx') }, 'esm')),
    ...(await bundle({ theme: join(SRC, 'app', 'theme_early.js') }, 'iife')),
    await copyIcon(),
];
await writeIndex(built);
if ((await packAndReport()) > LIMIT) {
    console.error(`build.mjs: the page is larger than ${LIMIT} bytes`);
    process.exit(1);
}
