/** The command table, as the rest of the package uses it. */
export {
  blockTimeoutMs,
  blockTimePlace,
  callFlags,
  changesConnection,
  isBlockingCall,
  isReadOnlyCall,
  mayForgeErrors,
} from './calls.js'
export { FLAG, type FlagName } from './flags.js'
export { firstKey, keyPositions, routingKey, slotKey } from './keys.js'
export { keyPatternPositions } from './rules.js'
export {
  type CommandSpec,
  type KeySpec,
  knownCommands,
  lookupCommand,
  resolveSubcommand,
} from './spec.js'
export { type Spread, type SpreadInto, type SpreadOver, spreadCommands } from './spread.js'
