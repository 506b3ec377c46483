/** Names for what went wrong, short and stable, so that a report can count by them. */
export const TIMEOUT = 'timeout'
export const WRONG_BODY = 'wrong body'
export const NO_SESSION = 'no session'
export const CONNECTION_CLOSED = 'connection closed'

const KNOWN: Readonly<Record<string, string>> = {
  UND_ERR_SOCKET: CONNECTION_CLOSED,
  UND_ERR_CONNECT_TIMEOUT: 'connect timeout',
  UND_ERR_HEADERS_TIMEOUT: TIMEOUT,
  UND_ERR_BODY_TIMEOUT: TIMEOUT,
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'truncated body',
}

export function causeOfStatus(status: number): string {
  return `http ${status}`
}

/** The system's code (`ECONNRESET`) where there is one, else undici's in plain words, else the error's name. */
export function causeOfError(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error'
  const inner = error.cause instanceof Error ? codeOf(error.cause) : undefined
  const code = inner ?? codeOf(error)
  if (code === undefined) return error.name
  if (code.startsWith('HPE_')) return 'malformed http'
  return KNOWN[code] ?? code
}

function codeOf(error: Error): string | undefined {
  const code = (error as NodeJS.ErrnoException).code
  return typeof code === 'string' ? code : undefined
}
