/**
 * What the matrix asks of a client. What is optional is left out of the load of a client that does not offer it: who
 * cannot lend a connection, say, is not asked for WATCH.
 */
export interface ChaosClient {
  readonly name: string
  /** Resolves to the reply; rejects with the client's own error. */
  call(command: string, ...args: string[]): Promise<unknown>
  /** Ends every connection; must not hang for ever, but may fail. */
  close(): Promise<void>
  /** The same for those who prefer callbacks. */
  callBack?(done: (error: unknown, reply?: unknown) => void, command: string, ...args: string[]): void
  /** Several commands as one request; an entry that failed is its error. */
  pipeline?(commands: readonly CommandLine[]): Promise<readonly unknown[]>
  /** MULTI, the commands, EXEC; resolves to what EXEC replied. */
  transaction?(commands: readonly CommandLine[]): Promise<readonly unknown[] | null>
  /** Lends a connection to `work` alone. @param key where there are several servers, the one that owns it */
  exclusive?<T>(key: string, work: (connection: ExclusiveConnection) => Promise<T>): Promise<T>
  /** BLPOP; 0 seconds wait for ever. */
  blockingPop?(key: string, seconds: number): Promise<unknown>
  /** Resolves when the server has confirmed every channel. */
  subscribe?(channels: readonly string[], listener: SubscriptionListener): Promise<void>
  /** The same for channels that lie in slots. */
  ssubscribe?(channels: readonly string[], listener: SubscriptionListener): Promise<void>
}

export type CommandLine = readonly [name: string, ...args: string[]]

export interface ExclusiveConnection {
  call(command: string, ...args: string[]): Promise<unknown>
}

export interface SubscriptionListener {
  onMessage(channel: string, message: string): void
  /** Messages published between these wall-clock times, ms, may have been missed. */
  onGap(from: number, to: number): void
}

/** Where and how a client is to connect. */
export interface Address {
  readonly host: string
  readonly port: number
  readonly username?: string
  /** Asked at each dial by clients that can; others get its first answer. */
  readonly password?: () => string
  /** Authority that signed the server's certificate; undefined without TLS. */
  readonly ca?: string
  /** Deadline of a command, ms, for clients that can be given one. */
  readonly timeoutMs: number
}

export type Verdict = 'ok' | 'rejected' | 'not-sent' | 'unknown' | 'unsaid'

/** What an error says about its command. Clients other than cenote do not say: `unsaid`. */
export function verdictOf(error: unknown): Verdict {
  if (error instanceof NothingWritten) return verdictOf(error.cause) === 'unsaid' ? 'unsaid' : 'not-sent'
  const outcome = (error as { outcome?: unknown } | undefined)?.outcome
  return outcome === 'rejected' || outcome === 'not-sent' || outcome === 'unknown' ? outcome : 'unsaid'
}

/** A caller of several steps failed before the one that writes: whatever became of that step, nothing was written. */
export class NothingWritten extends Error {
  override readonly name = 'NothingWritten'
  constructor(cause: unknown) {
    super(cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause), { cause })
  }
}

/** Runs a step that writes nothing. */
export async function before<T>(step: Promise<T>): Promise<T> {
  try {
    return await step
  } catch (error) {
    throw new NothingWritten(error)
  }
}
