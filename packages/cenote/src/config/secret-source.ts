/** A fixed secret, or a function asked for it at each dial, so that rotated credentials are picked up. */
export type SecretSource = string | (() => string | Promise<string>)
