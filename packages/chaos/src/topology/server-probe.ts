import { RawClient, type RedisServer } from '@cenote/test-support'

const INTERVAL_MS = 10
/** A server that takes longer does not serve. */
const PATIENCE_MS = 150

/**
 * Writes to each server over a connection of its own that knows nothing of topologies, again and again, and remembers
 * when it was served: the servers' own recovery, against which a client's is measured.
 */
export class ServerProbe {
  private running = true
  private readonly served = new Map<RedisServer, number[]>()
  private readonly loops: Promise<void>[] = []

  /** @param key to write to on that server: one that lies in its group's slots */
  watch(server: RedisServer, key: string): void {
    if (this.served.has(server)) return
    const times: number[] = []
    this.served.set(server, times)
    this.loops.push(this.loop(server, key, times))
  }

  /** First time at or after `since` that this server took a write. */
  firstServed(server: RedisServer, since: number): number | undefined {
    return this.served.get(server)?.find((time) => time >= since)
  }

  async stop(): Promise<void> {
    this.running = false
    await Promise.all(this.loops)
  }

  private async loop(server: RedisServer, key: string, times: number[]): Promise<void> {
    let connection: RawClient | undefined
    for (let n = 0; this.running; n++) {
      try {
        if (server.running) {
          connection ??= await inTime(RawClient.open(server.target), (late) => late.close())
          await inTime(connection.send('SET', key, n))
          times.push(performance.now())
        }
      } catch (error) {
        // A refusal (MOVED, READONLY, CLUSTERDOWN) is an answer; everything else ends the connection.
        if ((error as Error).name !== 'RawReplyError') {
          connection?.close()
          connection = undefined
        }
      }
      await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS))
    }
    connection?.close()
  }
}

async function inTime<T>(work: Promise<T>, dispose?: (value: T) => void): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  let expired = false
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      expired = true
      reject(new Error('late'))
    }, PATIENCE_MS)
  })
  work.then(
    (value) => {
      if (expired) dispose?.(value)
    },
    () => undefined,
  )
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}
