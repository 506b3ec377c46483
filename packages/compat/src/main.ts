import { compatMain } from './cli.js'
import { differentialMain } from './differential/main.js'

const args = process.argv.slice(2)
process.exitCode = await (args.includes('--differential') ? differentialMain(args) : compatMain(args))
