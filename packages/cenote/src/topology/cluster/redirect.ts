import type { ReplyError } from '../../errors.js'
import { SLOTS } from './slot.js'

/** The server did not run the command because another one has, or is about to have, its slot. */
export interface Redirect {
  /** `ask`: this command only, and the next one for its slot again here. */
  readonly kind: 'moved' | 'ask'
  readonly slot: number
  /** '' when the server does not know its own name: it is where it was asked. */
  readonly host: string
  readonly port: number
}

/**
 * `tryagain`: the keys are on their way from one server to another. `down`: the slot, or the cluster, has no server right
 * now. `loading`: the server reads its data in.
 */
export type Hindrance = 'tryagain' | 'down' | 'loading'

/** @returns undefined for any other error, and for a redirect that cannot be understood */
export function redirectOf({ message }: ReplyError): Redirect | undefined {
  const match = /^(MOVED|ASK) (\d+) (\S*):(\d+)$/.exec(message)
  if (match === null) return undefined
  const slot = Number(match[2])
  const port = Number(match[4])
  if (slot >= SLOTS || port > 65_535) return undefined
  return { kind: match[1] === 'MOVED' ? 'moved' : 'ask', slot, host: unbracketed(match[3]!), port }
}

const unbracketed = (host: string): string => (host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host)

/** In the server's own words, whole: a script may end in others that begin alike. */
const HINDRANCES: readonly (readonly [Hindrance, RegExp])[] = [
  ['tryagain', /^TRYAGAIN Multiple keys request during rehashing of slot$/],
  ['down', /^CLUSTERDOWN (?:Hash slot not served|The cluster is down(?: and only accepts read commands)?)$/],
  ['loading', /^LOADING (?:Redis|Valkey) is loading the dataset in memory$/],
]
const BY_KIND: Readonly<Record<string, Hindrance>> = { TRYAGAIN: 'tryagain', CLUSTERDOWN: 'down', LOADING: 'loading' }

/** @param forgeable the reply may be the work of a script, so that only the exact words count */
export function hindranceOf(error: ReplyError, forgeable: boolean): Hindrance | undefined {
  if (!forgeable) return BY_KIND[error.kind]
  return HINDRANCES.find(([, words]) => words.test(error.message))?.[0]
}
