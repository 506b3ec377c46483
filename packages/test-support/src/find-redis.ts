import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'

const names = ['redis-server', 'valkey-server']

/** Where package managers put the server when it is not in PATH (sbin for users without it, Homebrew, MacPorts, snap). */
const wellKnownFolders = [
  '/usr/bin',
  '/usr/sbin',
  '/usr/local/bin',
  '/usr/local/sbin',
  '/opt/homebrew/bin',
  '/opt/homebrew/opt/redis/bin',
  '/opt/homebrew/opt/valkey/bin',
  '/opt/local/bin',
  '/home/linuxbrew/.linuxbrew/bin',
  '/snap/bin',
]

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/**
 * The Redis (or Valkey) server binary of this machine, or undefined. `REDIS_SERVER_BIN` decides alone when it is set:
 * a path is taken as it is, and the word `none` stands for a machine without any server.
 * @throws Error when `REDIS_SERVER_BIN` names a file that cannot be executed
 */
export function findRedisServer(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const chosen = env.REDIS_SERVER_BIN
  if (chosen === 'none') return undefined
  if (chosen) {
    if (!isExecutable(chosen)) throw new Error(`REDIS_SERVER_BIN=${chosen} is not an executable file`)
    return chosen
  }
  const folders = [...(env.PATH ?? '').split(delimiter).filter(Boolean), ...wellKnownFolders]
  for (const name of names) {
    for (const folder of folders) {
      const path = join(folder, name)
      if (isExecutable(path)) return path
    }
  }
  return undefined
}
