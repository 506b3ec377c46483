import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { renderPicture } from './picture.js'
import type { Result } from './result.js'
import { assertResult } from './schema.js'

export interface WrittenFiles {
  readonly json: string
  readonly picture: string
}

/**
 * Writes `<scenario>-<time>.json` and `.svg` into the folder, which is created if need be.
 * Each appears whole or not at all: a script may be watching the folder.
 *
 * @throws Error when the result does not fit its schema; nothing is written then
 */
export async function writeResult(result: Result, folder: string): Promise<WrittenFiles> {
  assertResult(result)
  await mkdir(folder, { recursive: true })
  const time = result.startedAt.replace(/[:.]/g, '-')
  const base = join(folder, `${result.scenario.replace(/[^\w.-]/g, '_')}-${time}`)
  const files = { json: `${base}.json`, picture: `${base}.svg` }
  await writeWhole(files.picture, renderPicture(result))
  await writeWhole(files.json, `${JSON.stringify(result, null, 2)}\n`)
  return files
}

async function writeWhole(path: string, content: string): Promise<void> {
  const unfinished = `${path}.${process.pid}.part`
  await writeFile(unfinished, content)
  await rename(unfinished, path)
}
