import type { Connection } from '../connection/connection.js'
import { newPing, sendInternal, sendInternalCommand } from '../connection/internal.js'
import { ReplyError } from '../errors.js'

/**
 * Asks the server over one connection about others: ids of those whose command it is holding or reading. `busy`: it says
 * itself that it cannot serve. `untold`: this user, or this proxy, may not list clients, so nothing is known.
 * @throws CenoteError when the connection is lost or stays silent until it is closed
 */
export async function heldByServer(
  fresh: Connection,
  serverIds: readonly number[],
): Promise<ReadonlySet<number> | 'busy' | 'untold'> {
  const refusal = await refusalOf(fresh)
  if (refusal === 'BUSY' || refusal === 'LOADING') return 'busy'
  const list = await listClients(fresh, serverIds)
  if (list === undefined) return 'untold'
  const held = new Set<number>()
  for (const line of list.split('\n')) {
    const field = (name: string) => new RegExp(` ${name}=(\\S*)`).exec(line)?.[1] ?? ''
    const receiving = Number(field('qbuf')) > 0 && Number(field('idle')) <= 1
    if (receiving || field('flags').includes('b')) held.add(Number(/^id=(\d+)/.exec(line)?.[1]))
  }
  return held
}

/** What the server has against a PING; undefined when it answers. */
async function refusalOf(connection: Connection): Promise<string | undefined> {
  try {
    await sendInternalCommand(connection, newPing())
    return undefined
  } catch (error) {
    if (!(error instanceof ReplyError)) throw error
    return error.kind
  }
}

/** Which of the given connections the server knows; undefined when it may not say. */
export async function listKnown(
  messenger: Connection,
  serverIds: readonly number[],
): Promise<ReadonlySet<number> | undefined> {
  try {
    const list = await sendInternal(messenger, 'client', 'LIST', 'ID', ...serverIds.map(String))
    return new Set(Array.from(String(list).matchAll(/^id=(\d+) /gm), (match) => Number(match[1])))
  } catch {
    // Servers before 6.2, and users who may not list clients, leave it to the kernel's keep-alive.
    return undefined
  }
}

/** Only ours: a server with thousands of clients has better things to do than list them all. */
async function listClients(connection: Connection, serverIds: readonly number[]): Promise<string | undefined> {
  const ids = serverIds.filter((id) => id > 0).map(String)
  const forms = ids.length > 0 ? [['ID', ...ids], []] : [[]]
  for (const form of forms) {
    try {
      return String(await sendInternal(connection, 'client', 'LIST', ...form))
    } catch (error) {
      if (!(error instanceof ReplyError)) throw error
      // Servers before 6.2 know no ID here; whoever may not list at all is told so at the first try.
      if (error.kind !== 'ERR') return undefined
    }
  }
  return undefined
}
