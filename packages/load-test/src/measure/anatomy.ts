import type { Call } from '../http/call.js'

/** Where the time of a request went, in ms; the parts add up to `latencyMs`. */
export interface TimeShares {
  /** How many requests the averages are over. */
  readonly requests: number
  readonly latencyMs: number
  /** How late the load tester's own timers were. */
  readonly clientLateMs: number
  /** Waiting for a socket: every one was busy with an earlier request. A slow server's doing, or `sockets` is too low. */
  readonly socketWaitMs: number
  /** At most this long the reply lay waiting for the load tester's own event loop. */
  readonly clientLoopMs: number
  /** What the server itself reported (`Server-Timing`). */
  readonly serverMs: number
  /** The rest: kernel, network, and the server's queue before its own clock starts. */
  readonly otherMs: number
}

const PER_OCTAVE = 8
const BUCKETS = PER_OCTAVE * 33
const FIELDS = 6

/**
 * Percentiles do not add up, so "how much of p95 is the client's" cannot be read off two histograms.
 * This keeps, per bucket of latency (an eighth of an octave), the sums of each part; the answer is the average
 * anatomy of the requests that were about as slow as p95.
 */
export class Anatomy {
  private readonly sums: Float64Array

  constructor(sums?: Float64Array) {
    this.sums = sums ?? new Float64Array(BUCKETS * FIELDS)
  }

  record(call: Call, clientLoopMs: number): void {
    const latency = call.latencyMs
    const at = bucketOf(latency) * FIELDS
    const late = call.queuedAt - call.intendedAt
    const wait = call.sentAt - call.queuedAt
    const underWay = call.settledAt - call.sentAt
    // The server's clock is not ours, and the loop's share is an upper bound: neither may exceed what is left.
    const server = Math.min(Math.max(call.serverMs, 0), underWay)
    const sums = this.sums
    sums[at]! += 1
    sums[at + 1]! += latency
    sums[at + 2]! += late
    sums[at + 3]! += wait
    sums[at + 4]! += Math.min(clientLoopMs, underWay - server)
    sums[at + 5]! += server
  }

  add(other: Anatomy): void {
    for (let i = 0; i < this.sums.length; i++) this.sums[i]! += other.sums[i]!
  }

  dump(): Float64Array {
    return this.sums
  }

  mean(): TimeShares {
    return this.between(0, BUCKETS - 1)
  }

  /** The average request about as slow as `latencyMs`: neighbouring buckets until it is over enough requests. */
  around(latencyMs: number): TimeShares {
    const centre = bucketOf(latencyMs)
    const enough = Math.max(20, this.mean().requests * 0.01)
    let reach = 0
    while (reach < PER_OCTAVE && this.between(centre - reach, centre + reach).requests < enough) reach++
    return this.between(centre - reach, centre + reach)
  }

  private between(from: number, to: number): TimeShares {
    const total = [0, 0, 0, 0, 0, 0]
    for (let bucket = Math.max(0, from); bucket <= Math.min(BUCKETS - 1, to); bucket++) {
      for (let field = 0; field < FIELDS; field++) total[field]! += this.sums[bucket * FIELDS + field]!
    }
    const [requests = 0, latency = 0, late = 0, wait = 0, loop = 0, server = 0] = total
    const each = (sum: number) => (requests === 0 ? 0 : Math.round((sum / requests) * 1000) / 1000)
    return {
      requests,
      latencyMs: each(latency),
      clientLateMs: each(late),
      socketWaitMs: each(wait),
      clientLoopMs: each(loop),
      serverMs: each(server),
      otherMs: each(Math.max(0, latency - late - wait - loop - server)),
    }
  }
}

function bucketOf(latencyMs: number): number {
  const bucket = Math.floor(Math.log2(Math.max(1, latencyMs * 1000)) * PER_OCTAVE)
  return Math.min(BUCKETS - 1, bucket)
}
