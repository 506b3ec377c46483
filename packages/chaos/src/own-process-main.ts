import { scenarios } from './faults/all.js'
import { runHere } from './run.js'

/** `own-process-main.js <fault> <seed>`: one fault in this process; the result goes to the parent. */
const [name, seed] = process.argv.slice(2)
const scenario = scenarios.find((one) => one.name === name)
if (scenario === undefined) throw new Error(`There is no fault ${name}`)
// Without a parent nobody wants the result.
process.once('disconnect', () => process.exit(1))
// A fault may have the application throw; what is thrown outside any call would end the process.
process.on('uncaughtException', (error) => {
  if (!(error as { expected?: true }).expected) {
    process.stderr.write(`${error.stack}\n`)
    process.exit(1)
  }
})
const result = await runHere(scenario, Number(seed))
process.send?.({ result }, () => process.exit(0))
