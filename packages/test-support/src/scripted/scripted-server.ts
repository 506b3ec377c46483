import { encodePush, encodeReply, OK, type RespValue } from './resp.js'
import { type PeerConnection, type ScriptedPeer, scriptedPeer } from './scripted-peer.js'

/** Leaves a command without an answer, as a frozen server does. */
export const SILENCE: unique symbol = Symbol('silence')

export type Answer = RespValue | typeof SILENCE | undefined

/** One client of a scripted server. */
export interface Session {
  readonly connection: PeerConnection
  protocol: 2 | 3
  readonly channels: Set<string>
  readonly patterns: Set<string>
}

/**
 * A server that speaks RESP and says what it is told to. The greeting, PING, CLIENT, SELECT and subscriptions are
 * answered as a healthy server would, unless `answer` has something else to say.
 */
export class ScriptedServer {
  /** Every command but the greeting, in upper case, with its arguments as they came. */
  readonly commands: string[][] = []
  readonly #sessions = new Set<Session>()
  #peer!: ScriptedPeer

  /** @param answer undefined leaves the command to the healthy part */
  constructor(private readonly answer: (command: string[], session: Session) => Answer | Promise<Answer>) {}

  async start(): Promise<this> {
    this.#peer = await scriptedPeer((connection) => this.#serve(connection))
    return this
  }

  get host(): string {
    return this.#peer.host
  }

  get port(): number {
    return this.#peer.port
  }

  get address(): string {
    return `${this.host}:${this.port}`
  }

  get sessions(): readonly Session[] {
    return [...this.#sessions]
  }

  /** How often a command came, by its first words: `count('CLUSTER', 'SLOTS')`. */
  count(...words: string[]): number {
    const asked = words.map((word) => word.toUpperCase())
    return this.commands.filter((command) => asked.every((word, i) => command[i]?.toUpperCase() === word)).length
  }

  /** Sends a message to everybody who has subscribed to the channel or to a pattern that is `*`. */
  publish(channel: string, message: string): void {
    for (const { connection, protocol, channels, patterns } of this.#sessions) {
      if (channels.has(channel)) connection.write(encodePush(['message', channel, message], protocol))
      for (const pattern of patterns) {
        if (matches(pattern, channel)) connection.write(encodePush(['pmessage', pattern, channel, message], protocol))
      }
    }
  }

  /** Resets every connection. */
  cut(): void {
    for (const { connection } of this.#sessions) connection.reset()
  }

  async stop(): Promise<void> {
    await this.#peer.stop()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #serve(connection: PeerConnection): Promise<void> {
    const session: Session = { connection, protocol: 2, channels: new Set(), patterns: new Set() }
    this.#sessions.add(session)
    void connection.closed.then(() => this.#sessions.delete(session))
    for (;;) {
      const command = await connection.readCommand().catch(() => undefined)
      if (command === undefined) return
      const name = command[0]!.toUpperCase()
      if (name !== 'HELLO') this.commands.push([name, ...command.slice(1)])
      const said = await this.answer(command, session)
      if (said === SILENCE) continue
      if (said !== undefined) connection.write(encodeReply(said, session.protocol))
      else connection.write(healthy(name, command, session))
    }
  }
}

function healthy(name: string, command: readonly string[], session: Session): Buffer {
  const subscription = /^(P?)(UN)?SUBSCRIBE$/.exec(name)
  if (subscription !== null) return subscribe(command, session, subscription[1] === 'P', subscription[2] === 'UN')
  const reply = (value: RespValue) => encodeReply(value, session.protocol)
  switch (name) {
    case 'HELLO':
      session.protocol = command[1] === '3' ? 3 : 2
      return reply(
        new Map<string, RespValue>([
          ['server', 'redis'],
          ['version', '7.0.0'],
          ['proto', session.protocol],
          ['id', 1],
          ['mode', 'standalone'],
          ['role', 'master'],
          ['modules', []],
        ]),
      )
    case 'PING':
      return reply('PONG')
    case 'AUTH':
    case 'CLIENT':
    case 'SELECT':
    case 'READONLY':
    case 'QUIT':
      return reply(OK)
    case 'INFO':
      return reply('# Server\r\nredis_version:7.0.0\r\nloading:0\r\nrole:master\r\n')
    default:
      return reply(new Error(`ERR unknown command '${name}'`))
  }
}

function subscribe(command: readonly string[], session: Session, pattern: boolean, end: boolean): Buffer {
  const kind = `${pattern ? 'p' : ''}${end ? 'un' : ''}subscribe`
  const names = pattern ? session.patterns : session.channels
  const replies = command.slice(1).map((name) => {
    if (end) names.delete(name)
    else names.add(name)
    return encodePush([kind, name, session.channels.size + session.patterns.size], session.protocol)
  })
  return Buffer.concat(replies)
}

/** As far as scripts need it: a star stands for anything. */
function matches(pattern: string, channel: string): boolean {
  const parts = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${parts.join('.*')}$`).test(channel)
}
