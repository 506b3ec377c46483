import { setTimeout as sleep } from 'node:timers/promises'
import { openClient } from '../clients/index.js'
import type { BenchClient, DedicatedCaller } from '../clients/types.js'
import type { Job, Measurement, Percentiles } from '../job.js'
import { Latencies } from '../measure/latency.js'
import { WrongReplyError } from '../measure/loop.js'
import { ServerView } from '../measure/server.js'
import type { Workload } from './types.js'
import { asciiValue } from './values.js'

/** Small GETs come at a steady rate, 5,000 a second: what a saturated loop would show is its own queue. */
const READERS = 50
const PAUSE_MS = 10
const BLOCKED = 16
const PUSH_EVERY_MS = 20
const WATCHERS = 4
const WATCH_PAUSE_MS = 2
const LARGE_READERS = 2
const LARGE_PAUSE_MS = 40
const LARGE_BYTES = 1024 * 1024

/** p99 of small GETs while others block, watch and read large values, beside their p99 alone. */
export const mixed: Workload = {
  id: 'mixed',
  title: 'Small GETs beside BLPOP, WATCH and 1 MiB values',
  unit: 'commands',
  longer: 1.5,
  measure: async (job: Job) => {
    const target = { ...job.target, tls: undefined }
    const server = await ServerView.open(target)
    const client = await openClient(job.client, target, { text: 'latin1', dedicated: BLOCKED + WATCHERS })
    try {
      return await new Mixed(job, client, server).run()
    } finally {
      server.close()
      await client.close()
    }
  },
}

class Mixed {
  private running = true
  private readonly latencies = new Latencies()
  private done = 0
  private readonly counts = { popped: 0, committed: 0, large: 0 }
  private readonly large = asciiValue(1, LARGE_BYTES)

  constructor(
    private readonly job: Job,
    private readonly client: BenchClient,
    private readonly server: ServerView,
  ) {}

  async run(): Promise<Measurement> {
    await this.server.write('SET', 'large', this.large)
    for (let i = 0; i < READERS; i++) await this.server.write('SET', `small:${i}`, asciiValue(i, 100))
    const work: Promise<unknown>[] = Array.from({ length: READERS }, (_, i) => this.read(i))
    const failed = new Promise<never>((_, reject) => {
      for (const one of work) one.catch(reject)
    })
    failed.catch(() => {})

    await Promise.race([sleep(this.job.warmUpMs), failed])
    const alone = await this.window(failed)

    const callers = await Promise.all(Array.from({ length: BLOCKED + WATCHERS }, () => this.client.dedicated()))
    const others = [
      ...callers.slice(0, BLOCKED).map((caller, i) => this.block(caller, i)),
      ...callers.slice(BLOCKED).map((caller, i) => this.watch(caller, i)),
      ...Array.from({ length: LARGE_READERS }, () => this.readLarge()),
      this.push(),
    ]
    const disturbed = Promise.race([failed, Promise.all(others).then(() => failed)])
    disturbed.catch(() => {})
    await Promise.race([sleep(this.job.warmUpMs), disturbed])
    const before = { ...this.counts }
    const beside = await this.window(disturbed)
    const seconds = beside.wallMs / 1000
    const rate = (name: keyof typeof before) => (this.counts[name] - before[name]) / seconds
    const extra = {
      aloneP50Ms: alone.latency.p50,
      aloneP99Ms: alone.latency.p99,
      mixedP50Ms: beside.latency.p50,
      mixedP99Ms: beside.latency.p99,
      p99Ratio: beside.latency.p99 / alone.latency.p99,
      largePerSecond: rate('large'),
      committedPerSecond: rate('committed'),
      poppedPerSecond: rate('popped'),
    }
    const connections = await this.server.connections()
    this.running = false
    await Promise.all([...work, ...others])
    await this.checkCounters()
    await Promise.all(callers.map((caller) => caller.close()))
    return { perSecond: beside.perSecond, cpuUs: beside.cpuUs, latencyMs: beside.latency, connections, extra }
  }

  private async window(failed: Promise<never>) {
    this.latencies.reset()
    const doneBefore = this.done
    const cpuBefore = process.cpuUsage()
    const startedAt = performance.now()
    await Promise.race([sleep(this.job.windowMs), failed])
    const wallMs = performance.now() - startedAt
    const cpu = process.cpuUsage(cpuBefore)
    const operations = this.done - doneBefore
    const latency = this.latencies.percentiles() as Percentiles | undefined
    if (latency === undefined) throw new Error('Not one small GET was completed inside the window')
    const perSecond = (operations / wallMs) * 1000
    return { wallMs, latency, perSecond, cpuUs: (cpu.user + cpu.system) / operations }
  }

  private async read(i: number): Promise<void> {
    const key = `small:${i}`
    const expected = asciiValue(i, 100)
    while (this.running) {
      await sleep(PAUSE_MS * (0.5 + Math.random()))
      const begun = performance.now()
      const reply = await this.client.get(key)
      this.latencies.add(performance.now() - begun)
      if (reply !== expected) throw new WrongReplyError(`GET ${key}`, reply)
      this.done++
    }
  }

  private async readLarge(): Promise<void> {
    const { large } = this
    while (this.running) {
      const reply = await this.client.get('large')
      if (typeof reply !== 'string' || reply.length !== large.length || reply.slice(-64) !== large.slice(-64)) {
        throw new WrongReplyError('GET large', reply)
      }
      this.counts.large++
      await sleep(LARGE_PAUSE_MS * (0.5 + Math.random()))
    }
  }

  private async block(caller: DedicatedCaller, i: number): Promise<void> {
    for (let expected = 0; this.running; ) {
      const popped = await caller.blockingPop(`queue:${i}`, 1)
      if (popped === null) continue
      if (popped !== String(expected++)) throw new WrongReplyError(`BLPOP queue:${i}`, popped)
      this.counts.popped++
    }
  }

  private async push(): Promise<void> {
    for (let n = 0; this.running; n++) {
      await this.server.write('RPUSH', `queue:${n % BLOCKED}`, String(Math.floor(n / BLOCKED)))
      await sleep(PUSH_EVERY_MS)
    }
  }

  private readonly committedBy = new Array<number>(WATCHERS).fill(0)

  private async watch(caller: DedicatedCaller, i: number): Promise<void> {
    while (this.running) {
      if (!(await caller.watchIncrement(`watched:${i}`))) throw new WrongReplyError('EXEC after WATCH', 'not committed')
      this.counts.committed++
      this.committedBy[i]!++
      await sleep(WATCH_PAUSE_MS)
    }
  }

  /** Each committed transaction counts exactly once at the server. */
  private async checkCounters(): Promise<void> {
    for (let i = 0; i < WATCHERS; i++) {
      const held = await this.server.write('GET', `watched:${i}`)
      if (Number(held) !== this.committedBy[i]) {
        throw new Error(`watched:${i} is ${held} after ${this.committedBy[i]} committed transactions`)
      }
    }
  }
}
