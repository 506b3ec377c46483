/**
 * Faults that the pool does not survive yet, and how they show. They are part of the matrix, not of its short form in
 * `npm test`; whoever mends one takes it off.
 */
export const pending: Readonly<Record<string, string>> = {
  'no-client-list-pause': 'connections are closed by the watchdog after 1 s of CLIENT PAUSE',
  'one-channel-refused': 'one refused channel ends all subscriptions, for good, and health() says nothing',
  'dead-addresses': 'connectTimeoutMs is spent on each dead address in turn, the live one is never tried',
  'slow-tls': 'an address has 1 s for TCP and TLS together whatever connectTimeoutMs says',
  'loading-then-silence': 'a dial that was told LOADING has no end when the server then falls silent',
  'process-frozen': 'the first writes after a freeze go out on connections that the server has closed',
  'queue-limit-in-transactions': 'the limit is met inside MULTI: strangers are answered QUEUED, parts are applied',
}

/** Faults that hold for ordinary commands only, as far as the pool is now; the short form puts only those under them. */
export const pendingWholeLoad: Readonly<Record<string, string>> = {
  'password-changed': 'the subscriber never comes back after its password was refused',
}
