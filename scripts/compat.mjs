import { join } from 'node:path'
import { main, root, run, stopOnSignals } from './lib/progress.mjs'
import { ensureRedisServer } from './lib/redis.mjs'
import { setUp } from './lib/set-up.mjs'

const usage = `npm run compat -- [options]

Runs real libraries on ioredis, on cenote and on cenote/ioredis, each in a process and on a server of its own, and
prints a table. A run fails when a result is wrong, or a connection, a key or a busy process is left behind.

  --only <text>       only libraries whose name contains this
  --client <name>     only ioredis, cenote or cenote/ioredis (may be repeated)
  --parallel <n>      scenarios at once (default 2)

npm run compat -- --differential [options]

Feeds generated commands to ioredis and to cenote and compares replies, errors and what the server holds.

  --commands <n>      per protocol (default 20000)
  --protocol <2|3>    only this version of RESP (default both)
  --seed <n>          the same seed gives the same commands (default 1)
  --client <name>     cenote or cenote/ioredis (default cenote)
  --limit <n>         stop after so many differences (default 20)
  --options <json>    for both clients, e.g. '{"keyPrefix":"app:"}'

Exit status: 0 all as with ioredis, 1 not.`

await main(async () => {
  const args = process.argv.slice(2)
  if (args.includes('--help')) {
    process.stdout.write(`${usage}\n`)
    return 0
  }
  stopOnSignals()
  await setUp()
  const redisServer = await ensureRedisServer()
  return run(process.execPath, [join(root, 'packages/compat/dist/main.js'), ...args], {
    env: { ...process.env, REDIS_SERVER_BIN: redisServer },
  })
})
