import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root, run, SetUpError, step } from './progress.mjs'

/** How to call npm: through the one that runs this script, if any, so that its version and settings stay the same. */
function npmCommand() {
  const path = process.env.npm_execpath
  if (path?.endsWith('.js') && existsSync(path)) return [process.execPath, path]
  return ['npm']
}

/** What npm writes last when an installation is complete; absent or different after an interrupted one. */
function installedPackages() {
  try {
    return JSON.parse(readFileSync(join(root, 'node_modules/.package-lock.json'), 'utf8')).packages
  } catch {
    return undefined
  }
}

/** @returns the first package that the lockfile asks for and node_modules does not have */
export function missingPackage(wanted, installed) {
  if (installed === undefined) return 'everything'
  for (const [path, entry] of Object.entries(wanted)) {
    // Optional packages are those of other platforms; the root is not installed.
    if (path === '' || entry.optional || entry.devOptional) continue
    const there = installed[path]
    if (there === undefined || there.version !== entry.version || there.resolved !== entry.resolved) return path
  }
  return undefined
}

async function ensureDependencies() {
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages
  if (missingPackage(wanted, installedPackages()) === undefined) return 'as the lockfile says'
  const [file, ...args] = npmCommand()
  // NODE_ENV=production or an `omit` in the user's settings would leave out what tests and platform binaries need.
  const npmArgs = ['ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund']
  const status = await run(file, [...args, ...npmArgs]).catch((error) => {
    throw new SetUpError(`npm cannot be run: ${error.message}`)
  })
  if (status !== 0) throw new SetUpError(`npm ci failed with exit status ${status}; its reasons are above`)
  return 'installed from the lockfile'
}

/** Dependencies from the lockfile, then the TypeScript build. Quick when both are in place. */
export async function setUp() {
  // The tests of these scripts run inside a finished set-up; repeating it under the feet of other tests would hurt them.
  if (process.env.CENOTE_SET_UP === 'done') return
  await step('Dependencies', ensureDependencies)
  await step('Build and type check', async () => {
    const status = await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-b'])
    if (status !== 0) throw new SetUpError(`The TypeScript build failed with exit status ${status}`)
  })
}
