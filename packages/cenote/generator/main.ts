import { readFile, writeFile } from 'node:fs/promises'
import { relative } from 'node:path'
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
const list = stale.map((path) => `  ${relative(process.cwd(), path)}`).join('\n')
if (stale.length === 0) console.log(`Generated files are current (Redis ${version}).`)
else if (!checkOnly) console.log(`Written from Redis ${version}:\n${list}`)
else {
  console.error(`Out of date against Redis ${version}, run \`npm run generate\`:\n${list}`)
  process.exitCode = 1
}
