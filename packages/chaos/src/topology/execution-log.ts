import { connect, type Socket } from 'node:net'
import type { RedisServer } from '@cenote/test-support'

interface Tap {
  readonly server: RedisServer
  readonly chunks: Buffer[]
  socket: Socket | undefined
}

const ATTACH_MS = 20

/**
 * Every command that any server executed, by MONITOR, whatever became of its effects later: what a demoted primary had
 * acknowledged and then threw away is still here.
 */
export class ExecutionLog {
  private readonly taps: Tap[] = []
  private readonly timer: NodeJS.Timeout
  private executions: Map<string, number> | undefined
  private ids: Set<string> | undefined
  private since = 0
  /** Of every server there has been. */
  private readonly serverPorts = new Set<number>()

  /** @param servers asked again and again, so that new and restarted ones are listened to as well */
  constructor(
    private readonly servers: () => readonly RedisServer[],
    /** Ports at which servers are found, gates before them included. */
    private readonly ports: () => ReadonlySet<number>,
  ) {
    this.attach()
    this.timer = setInterval(() => this.attach(), ATTACH_MS)
  }

  /** From now on {@link refreshes} counts. */
  mark(): void {
    this.since = Date.now() / 1_000
  }

  /** Whether the bytes heard so far contain this text. */
  heard(text: string): boolean {
    return this.taps.some(({ chunks }) => Buffer.concat(chunks).includes(text))
  }

  /** Whether any server ever executed the push of this id. */
  ran(id: string): boolean {
    this.ids ??= new Set([...this.pushes().keys()].map((key) => key.slice(key.lastIndexOf(' ') + 1)))
    return this.ids.has(id)
  }

  /** Pushes that ran more than once, on whatever servers. */
  get ranTwice(): number {
    return [...this.pushes().values()].filter((times) => times > 1).length
  }

  /** How often clients asked for the map since {@link mark}. */
  get refreshes(): number {
    let count = 0
    for (const { time, origin, command } of this.lines()) {
      if (time < this.since || origin.startsWith('unix:')) continue
      if (/^"cluster" "(slots|shards|nodes)"|^"sentinel" "(get-master|master|sentinels|replicas)/i.test(command))
        count++
    }
    return count
  }

  private pushes(): Map<string, number> {
    if (this.executions !== undefined) return this.executions
    const found = new Map<string, number>()
    for (const { origin, command } of this.lines()) {
      const push = /^"rpush" "([^"]*)" "([^"]*)"$/i.exec(command)
      if (push === null || origin.startsWith('unix:')) continue
      // Replicas run what their primary sends; that comes from a port that a server listens at.
      if (this.serverPorts.has(Number(origin.slice(origin.lastIndexOf(':') + 1)))) continue
      const key = `${push[1]} ${push[2]}`
      found.set(key, (found.get(key) ?? 0) + 1)
    }
    this.executions = found
    return found
  }

  private *lines(): Generator<{ time: number; origin: string; command: string }> {
    for (const { chunks } of this.taps) {
      for (const line of Buffer.concat(chunks).toString('latin1').split('\r\n')) {
        const parts = /^\+([\d.]+) \[\d+ ([^\]]+)\] (.*)$/.exec(line)
        if (parts !== null) yield { time: Number(parts[1]), origin: parts[2]!, command: parts[3]! }
      }
    }
  }

  private attach(): void {
    for (const port of this.ports()) this.serverPorts.add(port)
    for (const server of this.servers()) {
      if (!server.running) continue
      if (this.taps.some((tap) => tap.server === server && tap.socket !== undefined)) continue
      const tap: Tap = { server, chunks: [], socket: connect({ path: server.socketPath }) }
      this.taps.push(tap)
      if (server.password !== undefined) tap.socket!.write(`AUTH ${server.password}\r\n`)
      tap.socket!.write('MONITOR\r\n')
      tap.socket!.on('data', (chunk: Buffer) => tap.chunks.push(chunk))
      tap.socket!.on('error', () => undefined)
      tap.socket!.once('close', () => {
        tap.socket = undefined
      })
    }
  }

  /** Stops listening; what was heard stays. */
  stop(): void {
    clearInterval(this.timer)
    for (const { socket } of this.taps) socket?.destroy()
  }
}
