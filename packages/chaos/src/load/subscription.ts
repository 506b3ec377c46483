import type { SubscriptionListener } from '../client.js'

/** Publishes over a connection of its own and resolves once the server has taken the message; rejects when unsure. */
export type Publish = (channel: string, message: string) => Promise<unknown>

interface Published {
  readonly channel: string
  readonly number: number
  /** Wall-clock times, ms: before it was sent, after the server confirmed it. */
  readonly from: number
  to: number
  confirmed: boolean
}

interface Received {
  readonly number: number
  readonly at: number
}

export interface SubscriptionAudit {
  readonly published: number
  readonly received: number
  /** Confirmed by the server while subscribed, not received, and no gap announced for that time. */
  readonly missed: number
  readonly twice: number
  readonly outOfOrder: number
  /** Messages of channels nobody asked for, or with a text nobody sent. */
  readonly foreign: number
  readonly gaps: number
  /** Messages missed inside announced gaps. */
  readonly inGaps: number
  /** Channels that were silent at the end. */
  readonly silent: readonly string[]
}

const INTERVAL_MS = 10
/** Clocks are read to the millisecond, on both sides of an interval. */
const SLACK_MS = 2
/** A message that was under way when the last byte came was published a little before. */
const TRANSIT_MS = 50

/**
 * One subscriber and one publisher. Messages are numbered per channel, so that each one missing, doubled or out of
 * order shows; what is missing must lie in a time that the client announced as a gap.
 */
export class SubscriptionLoad {
  private readonly published: Published[] = []
  private readonly received = new Map<string, Received[]>()
  private readonly gaps: { from: number; to: number }[] = []
  private foreign = 0
  private running = true
  private subscribedAt = Number.POSITIVE_INFINITY
  private last = new Map<string, number>()
  private publishing: Promise<void> = Promise.resolve()

  constructor(
    private readonly subscribe: (channels: readonly string[], listener: SubscriptionListener) => Promise<void>,
    private readonly publish: Publish,
    readonly channels: readonly string[],
    /** Channels that the fault takes away for a while: what they miss is not held against the client. */
    private readonly mayMiss: (channel: string) => boolean = () => false,
  ) {
    for (const channel of channels) this.received.set(channel, [])
  }

  async start(): Promise<void> {
    await this.subscribe(this.channels, {
      onMessage: (channel, message) => this.onMessage(channel, message),
      onGap: (from, to) => this.gaps.push({ from, to }),
    })
    this.subscribedAt = Date.now()
    this.publishing = this.publishForever()
  }

  /** Stops publishing; then each channel must still hear one message, within that time. */
  async stop(withinMs: number): Promise<void> {
    this.running = false
    await this.publishing
    const limit = performance.now() + withinMs
    let awaited: Published[] = []
    // One message may fall into the last moments of an outage: try again until all channels have heard.
    do {
      const round = this.channels.filter((channel) => !awaited.some((one) => one.channel === channel && this.has(one)))
      if (awaited.length > 0 && round.length === 0) break
      awaited = await Promise.all(this.channels.map((channel) => this.send(channel)))
      const roundEnds = Math.min(limit, performance.now() + 250)
      while (!awaited.every((one) => this.has(one)) && performance.now() < roundEnds) await pause(5)
    } while (performance.now() < limit)
  }

  audit(): SubscriptionAudit {
    let [missed, twice, outOfOrder, inGaps] = [0, 0, 0, 0]
    const silent: string[] = []
    for (const channel of this.channels) {
      const got = this.received.get(channel)!
      const seen = new Set<number>()
      let highest = 0
      for (const { number } of got) {
        if (seen.has(number)) twice++
        else if (number < highest) outOfOrder++
        seen.add(number)
        highest = Math.max(highest, number)
      }
      const own = this.published.filter((one) => one.channel === channel)
      for (const one of own) {
        if (!one.confirmed || seen.has(one.number) || one.from < this.subscribedAt) continue
        if (this.announced(one)) inGaps++
        else if (!this.mayMiss(channel)) missed++
      }
      const final = own.at(-1)
      if (final !== undefined && !seen.has(final.number)) silent.push(channel)
    }
    const received = [...this.received.values()].reduce((sum, list) => sum + list.length, 0)
    const { foreign, gaps } = this
    return {
      published: this.published.length,
      received,
      missed,
      twice,
      outOfOrder,
      foreign,
      gaps: gaps.length,
      inGaps,
      silent,
    }
  }

  /** @param time wall clock, ms */
  heardSince(channel: string, time: number): boolean {
    return this.received.get(channel)!.some(({ at }) => at > time)
  }

  private announced({ from, to }: Published): boolean {
    return this.gaps.some((gap) => gap.from - TRANSIT_MS <= to && from <= gap.to + SLACK_MS)
  }

  private has({ channel, number }: Published): boolean {
    return this.received.get(channel)!.some((one) => one.number === number)
  }

  private onMessage(channel: string, message: string): void {
    const number = Number(message)
    const list = this.received.get(channel)
    if (list === undefined || !(number > 0 && number <= (this.last.get(channel) ?? 0))) this.foreign++
    else list.push({ number, at: Date.now() })
  }

  private async publishForever(): Promise<void> {
    for (let turn = 0; this.running; turn++) {
      await this.send(this.channels[turn % this.channels.length]!)
      await pause(INTERVAL_MS)
    }
  }

  private async send(channel: string): Promise<Published> {
    const number = (this.last.get(channel) ?? 0) + 1
    this.last.set(channel, number)
    const one: Published = { channel, number, from: Date.now(), to: Number.POSITIVE_INFINITY, confirmed: false }
    this.published.push(one)
    await this.publish(channel, String(number)).then(
      () => {
        one.confirmed = true
        one.to = Date.now()
      },
      // Unsure whether it was published: it may be missing.
      () => undefined,
    )
    return one
  }
}

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds))
