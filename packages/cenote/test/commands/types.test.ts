import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const run = promisify(execFile)
const project = fileURLToPath(new URL('types/tsconfig.json', import.meta.url))
const tsc = fileURLToPath(import.meta.resolve('typescript/package.json').replace('package.json', 'bin/tsc'))

it('pools, leases, views and chains have every command typed, custom ones by augmentation', async () => {
  const { stdout } = await run(process.execPath, [tsc, '-p', project]).catch((error: { stdout: string }) => error)
  expect(stdout).toBe('')
})
