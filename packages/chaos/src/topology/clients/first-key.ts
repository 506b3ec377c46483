import type { CommandLine } from '../../client.js'

/** The key by which clients that do not know every command route the load's commands. */
export function firstKey([name, ...args]: CommandLine): string | undefined {
  switch (name) {
    case 'ECHO':
    case 'PING':
      return undefined
    case 'EVAL':
      return args[1] === '0' ? undefined : args[2]
    default:
      return args[0]
  }
}

export function onlyReads([name]: CommandLine): boolean {
  return name === 'GET' || name === 'MGET' || name === 'STRLEN' || name === 'ECHO'
}

/** Clients kept for those who block: each has one to itself while it waits. */
export class Spares<Client> {
  private readonly idle: Client[] = []
  private readonly all: Client[] = []

  constructor(
    private readonly make: () => Promise<Client>,
    private readonly end: (client: Client) => void,
  ) {}

  async use<T>(work: (client: Client) => Promise<T>): Promise<T> {
    const client = this.idle.pop() ?? (await this.another())
    try {
      return await work(client)
    } finally {
      this.idle.push(client)
    }
  }

  private async another(): Promise<Client> {
    const client = await this.make()
    this.all.push(client)
    return client
  }

  close(): void {
    for (const client of this.all) this.end(client)
  }
}
