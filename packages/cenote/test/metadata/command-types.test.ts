import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const run = promisify(execFile)
const project = fileURLToPath(new URL('../types/tsconfig.json', import.meta.url))
const tsc = fileURLToPath(import.meta.resolve('typescript/package.json').replace('package.json', 'bin/tsc'))

it('the typed commands accept what ioredis users write, refuse mistakes, and stay cheap to check', async () => {
  const { stdout } = await run(process.execPath, [tsc, '-p', project, '--extendedDiagnostics']).catch(
    (error: { stdout: string }) => error,
  )
  expect(stdout.match(/^.*error TS.*$/gm) ?? []).toEqual([])
  const number = (name: string) => Number(new RegExp(`${name}:\\s+([\\d.]+)`).exec(stdout)?.[1])
  // Counts do not depend on the machine as times do; a check of twice as much would be a different design.
  expect(number('Types')).toBeLessThan(25_000)
  expect(number('Instantiations')).toBeLessThan(60_000)
})
