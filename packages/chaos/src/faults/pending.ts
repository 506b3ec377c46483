/**
 * Faults that the pool does not survive yet, and how they show. They are part of the matrix, not of its short form in
 * `npm test`; whoever mends one takes it off.
 */
export const pending: Readonly<Record<string, string>> = {}

/** Faults that hold for ordinary commands only, as far as the pool is now; the short form puts only those under them. */
export const pendingWholeLoad: Readonly<Record<string, string>> = {
  'password-changed': 'the subscriber never comes back once its password was refused: nothing asks for another dial',
  'loop-blocked-500ms':
    'an idle lease that is wanted while the health check asks it is lost with its permit: neither lent nor laid back',
}
