import { RawClient } from '@cenote/test-support'
import type { Target } from '../job.js'

/** What the server itself says, over a connection that shares no code with any client measured. */
export class ServerView {
  private constructor(private readonly raw: RawClient) {}

  static async open({ host, port }: Target): Promise<ServerView> {
    return new ServerView(await RawClient.open({ host, port }))
  }

  private async figure(section: string, pattern: RegExp): Promise<number> {
    const info = String(await this.raw.send('INFO', section))
    let sum = 0
    for (const match of info.matchAll(pattern)) sum += Number(match[1])
    return sum
  }

  /** CPU time the server has used, µs. */
  cpuUs(): Promise<number> {
    return this.figure('cpu', /^used_cpu_(?:sys|user):([\d.]+)/gm).then((seconds) => seconds * 1e6)
  }

  /** Commands executed since the server started, those of this view left out as far as they are INFO. */
  commands(): Promise<number> {
    return this.figure('commandstats', /^cmdstat_(?!info)[^:]+:calls=(\d+)/gm)
  }

  write(...command: string[]): Promise<unknown> {
    return this.raw.send(...command)
  }

  /** Connections besides this one. */
  async connections(): Promise<number> {
    return (await this.figure('clients', /^connected_clients:(\d+)/gm)) - 1
  }

  close(): void {
    this.raw.close()
  }
}
