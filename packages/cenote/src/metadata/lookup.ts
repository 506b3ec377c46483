/** The command table, as the rest of the package uses it. */
export {
  blockTimeoutMs,
  callFlags,
  changesConnection,
  isBlockingCall,
  isReadOnlyCall,
  mayForgeErrors,
} from './calls.js'
export { FLAG, type FlagName } from './flags.js'
export { firstKey, keyPositions, routingKey } from './keys.js'
export { keyPatternPositions } from './rules.js'
export {
  type CommandSpec,
  type KeySpec,
  knownCommands,
  lookupCommand,
  resolveSubcommand,
} from './spec.js'
