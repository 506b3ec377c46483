import type { KindName } from '../call.js'
import type { Kind } from '../kind.js'
import { batchKinds } from './batches.js'
import { commandKinds } from './commands.js'
import { exclusiveKinds } from './exclusive.js'
import { queueKinds } from './queue.js'
import { severalKeyKinds } from './several-keys.js'

export const kinds: readonly Kind[] = [
  ...commandKinds,
  ...batchKinds,
  ...exclusiveKinds,
  ...queueKinds,
  ...severalKeyKinds,
]

const byName = new Map(kinds.map((kind) => [kind.name, kind]))

export function kindOf(name: KindName): Kind {
  return byName.get(name)!
}
