/** What the matrix asks of a client. */
export interface ChaosClient {
  readonly name: string
  /** Resolves to the reply; rejects with the client's own error. */
  call(command: string, ...args: string[]): Promise<unknown>
  /** Ends every connection; must not hang for ever, but may fail. */
  close(): Promise<void>
}

/** Where and how a client is to connect. */
export interface Address {
  readonly host: string
  readonly port: number
  readonly username?: string
  /** Asked at each dial by clients that can; others get its first answer. */
  readonly password?: () => string
  /** Deadline of a command, ms, for clients that can be given one. */
  readonly timeoutMs: number
}

export type Verdict = 'ok' | 'rejected' | 'not-sent' | 'unknown' | 'unsaid'

/** What an error says about its command. Clients other than cenote do not say: `unsaid`. */
export function verdictOf(error: unknown): Verdict {
  const outcome = (error as { outcome?: unknown } | undefined)?.outcome
  return outcome === 'rejected' || outcome === 'not-sent' || outcome === 'unknown' ? outcome : 'unsaid'
}
