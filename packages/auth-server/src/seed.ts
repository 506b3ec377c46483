import { parseArgs } from 'node:util'
import { ConfigError, loadConfig } from './config.js'
import { SEED_PASSWORD, seed, seedEmail } from './seed-accounts.js'

const USAGE = `Usage: node dist/seed.js --accounts N [--password TEXT]
Creates N accounts for load tests (${seedEmail(0)} and so on) in DATA_DIR, all with the password
"${SEED_PASSWORD}" unless another is given.
`

try {
  const { values } = parseArgs({
    options: { accounts: { type: 'string' }, password: { type: 'string' }, help: { type: 'boolean' } },
  })
  if (values.help) {
    process.stdout.write(USAGE)
  } else {
    const count = Number(values.accounts)
    if (!Number.isInteger(count) || count < 1 || count > 1_000_000) {
      throw new ConfigError(`--accounts must be a whole number from 1 to 1000000\n\n${USAGE}`)
    }
    await seed(loadConfig(), count, values.password)
    process.stdout.write(`${count} accounts, ${seedEmail(0)} to ${seedEmail(count - 1)}\n`)
  }
} catch (error) {
  process.stderr.write(`seed: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
