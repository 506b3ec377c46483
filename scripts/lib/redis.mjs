import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { root, run, SetUpError, step, succeeds } from './progress.mjs'

const waysToGetOne = `No Redis server was found, and none could be installed without asking questions. Any one of these helps:

  • Debian, Ubuntu    sudo apt-get install redis-server
  • Fedora, RHEL      sudo dnf install redis        (or valkey)
  • Alpine            sudo apk add redis
  • Arch              sudo pacman -S valkey
  • openSUSE          sudo zypper install redis
  • macOS             brew install redis
  • a binary of yours: REDIS_SERVER_BIN=/path/to/redis-server
  • for the demo only, a running server: REDIS_URL=redis://host:6379 npm run demo

(The tests start, pause and kill servers of their own, which a server behind REDIS_URL is spared.)`

/**
 * Debian's redis-tools holds the server itself (redis-server is its second name) without the system service that the
 * package redis-server would set up and start. A link in the clone gives it the name under which it serves.
 */
async function linkFromTools() {
  const folder = join(root, '.tmp/bin')
  for (const name of ['redis', 'valkey']) {
    const tool = `/usr/bin/${name}-check-rdb`
    if (!existsSync(tool)) continue
    const link = join(folder, `${name}-server`)
    mkdirSync(folder, { recursive: true })
    rmSync(link, { force: true })
    symlinkSync(tool, link)
    if (await succeeds(link, ['--version'])) return link
    rmSync(link, { force: true })
  }
  return undefined
}

/** Packages in order of preference. None of them starts a service by itself. */
const managers = [
  {
    command: 'apt-get',
    refresh: ['update'],
    install: ['install', '-y', '--no-install-recommends'],
    packages: ['redis-tools', 'valkey-tools'],
  },
  { command: 'dnf', install: ['install', '-y'], packages: ['redis', 'valkey'] },
  { command: 'yum', install: ['install', '-y'], packages: ['redis', 'valkey'] },
  { command: 'apk', install: ['add', '--no-cache'], packages: ['redis', 'valkey'] },
  { command: 'pacman', install: ['-S', '--noconfirm', '--needed'], packages: ['valkey', 'redis'] },
  { command: 'zypper', install: ['--non-interactive', 'install'], packages: ['redis', 'valkey'] },
  { command: 'brew', install: ['install'], packages: ['redis', 'valkey'], asUser: true },
]

/** The prefix that gives a package manager its rights without a question, or undefined. */
async function privileges(manager) {
  if (manager.asUser || process.getuid?.() === 0) return []
  return (await succeeds('sudo', ['-n', 'true'])) ? ['sudo', '-n'] : undefined
}

async function install(findRedisServer) {
  const env = {
    ...process.env,
    DEBIAN_FRONTEND: 'noninteractive',
    NONINTERACTIVE: '1',
    HOMEBREW_NO_AUTO_UPDATE: '1',
    // In this run level packages do not start their services.
    RUNLEVEL: '1',
  }
  for (const manager of managers) {
    if (!(await succeeds(manager.command, ['--version']))) continue
    const prefix = await privileges(manager)
    if (prefix === undefined) continue
    const call = (args) => {
      const [file, ...rest] = [...prefix, manager.command, ...args]
      process.stdout.write(`  $ ${[file, ...rest].join(' ')}\n`)
      return run(file, rest, { env, patient: true })
    }
    for (const name of manager.packages) {
      let status = await call([...manager.install, name])
      // Package lists of a fresh machine are empty or too old to download from.
      if (status !== 0 && manager.refresh && (await call(manager.refresh)) === 0) {
        manager.refresh = undefined
        status = await call([...manager.install, name])
      }
      const found = findRedisServer() ?? (await linkFromTools())
      if (status === 0 && found) return found
    }
  }
  return undefined
}

/**
 * Makes sure that this machine has a server binary, installing one if it can.
 * @returns its path
 */
export async function ensureRedisServer() {
  // Only now is the build there that holds this function.
  const { findRedisServer } = await import('../../packages/test-support/dist/index.js')
  return await step('Redis server', async () => {
    let found
    try {
      found = findRedisServer()
    } catch (error) {
      throw new SetUpError(error.message)
    }
    if (found === undefined && process.env.REDIS_SERVER_BIN !== 'none') {
      found = (await linkFromTools()) ?? (await install(findRedisServer))
    }
    if (found === undefined) throw new SetUpError(waysToGetOne)
    return found
  })
}
