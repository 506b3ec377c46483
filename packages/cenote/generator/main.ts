import { readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { generate } from './generate.js'

/** `generate` writes the generated files; `generate --check` fails when a committed one differs. */
const checkOnly = process.argv.includes('--check')
const { files, version } = await generate()
const stale: string[] = []
for (const [path, content] of files) {
  const current = await readFile(path, 'utf8').catch(() => '')
  if (current === content) continue
  stale.push(path)
  if (!checkOnly) await writeFile(path, content)
}
const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const list = stale.map((path) => `  ${path.replace(`${root}/`, '')}`).join('\n')
if (stale.length === 0) console.log(`Generated files are current (Redis ${version}).`)
else if (!checkOnly) console.log(`Written from Redis ${version}:\n${list}`)
else {
  console.error(`Out of date against Redis ${version}, run \`npm run generate\`:\n${list}`)
  process.exitCode = 1
}
