import { RawClient, type RedisServer } from '@cenote/test-support'

/**
 * Publishes at the server that the subscriber is on, so that the server's answer says whether it passed the message on;
 * a bus between servers that is broken is not the client's affair.
 */
export class TopologyPublisher {
  private readonly connections = new Map<RedisServer, RawClient>()
  private current: RedisServer | undefined

  constructor(
    private readonly servers: () => readonly RedisServer[],
    private readonly command: 'PUBLISH' | 'SPUBLISH' = 'PUBLISH',
    /** Where sharded channels lie now. */
    private readonly ownerOf?: (channel: string) => Promise<RedisServer>,
  ) {}

  async publish(channel: string, message: string): Promise<void> {
    const server = this.ownerOf === undefined ? await this.place(channel) : await this.ownerOf(channel)
    const heard = Number(await this.ask(server, this.command, channel, message))
    if (heard === 0) this.current = undefined
  }

  private async place(channel: string): Promise<RedisServer> {
    if (this.current?.running === true) return this.current
    const up = this.servers().filter(({ running }) => running)
    for (const server of up) {
      const [, count] = (await this.ask(server, 'PUBSUB', 'NUMSUB', channel).catch(() => [channel, 0])) as [
        string,
        number,
      ]
      if (count > 0) {
        this.current = server
        return server
      }
    }
    const [any] = up
    if (any === undefined) throw new Error('No server runs')
    return any
  }

  private async ask(server: RedisServer, ...command: string[]): Promise<unknown> {
    let connection = this.connections.get(server)
    if (connection === undefined) {
      connection = await RawClient.open(server.target)
      this.connections.set(server, connection)
    }
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('The server does not answer')), 200)
    })
    try {
      return await Promise.race([connection.send(...command), late])
    } catch (error) {
      connection.close()
      this.connections.delete(server)
      if (this.current === server) this.current = undefined
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  close(): void {
    for (const connection of this.connections.values()) connection.close()
    this.connections.clear()
  }
}
