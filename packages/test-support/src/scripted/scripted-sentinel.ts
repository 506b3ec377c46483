import type { RespValue } from './resp.js'
import { type Answer, ScriptedServer, SILENCE } from './scripted-server.js'

interface Place {
  readonly host: string
  readonly port: number
}

/** What a scripted sentinel believes of one primary; change it at any time. */
export interface Belief {
  primary: Place
  replicas: readonly Place[]
  /** The other sentinels. */
  sentinels: readonly Place[]
  /** config-epoch: a view with a lower one is older. */
  epoch: number
  /** As of SENTINEL MASTER; e.g. `master,s_down`. Default `master`. */
  flags?: string
}

/** A sentinel that believes what it is told: stale, wrong, silent, or in disagreement with the others. */
export class ScriptedSentinel extends ScriptedServer {
  /** By name of the primary. */
  readonly beliefs: Map<string, Belief>
  /** Answers nothing while true; connections are accepted. */
  silent = false

  constructor(beliefs: Readonly<Record<string, Belief>>) {
    super((command) => this.#answer(command))
    this.beliefs = new Map(Object.entries(beliefs))
  }

  /** As a sentinel announces it: `announce('+switch-master', 'mymaster 127.0.0.1 6379 127.0.0.1 6380')`. */
  announce(event: string, detail: string): void {
    this.publish(event, detail)
  }

  #answer(command: readonly string[]): Answer {
    if (this.silent) return SILENCE
    const name = command[0]!.toUpperCase()
    if (name === 'ROLE') return ['sentinel', [...this.beliefs.keys()]]
    if (name !== 'SENTINEL') return undefined
    const what = command[1]!.toUpperCase()
    if (what === 'MASTERS') return [...this.beliefs].map(([one, belief]) => primaryInfo(one, belief))
    if (what === 'MYID') return 'f'.repeat(40)
    const belief = this.beliefs.get(command[2] ?? '')
    if (what === 'GET-MASTER-ADDR-BY-NAME') {
      return belief === undefined ? null : [belief.primary.host, String(belief.primary.port)]
    }
    if (belief === undefined) return new Error('ERR No such master with that name')
    switch (what) {
      case 'MASTER':
        return primaryInfo(command[2]!, belief)
      case 'REPLICAS':
      case 'SLAVES':
        return belief.replicas.map((place) => info({ ...common(place), flags: 'slave', 'master-link-status': 'ok' }))
      case 'SENTINELS':
        return belief.sentinels.map((place) => info({ ...common(place), flags: 'sentinel', runid: runId(place) }))
      default:
        return new Error(`ERR unknown subcommand '${command[1]}'`)
    }
  }
}

export async function scriptedSentinel(beliefs: Readonly<Record<string, Belief>>): Promise<ScriptedSentinel> {
  return new ScriptedSentinel(beliefs).start()
}

const runId = ({ port }: Place): string => String(port).padStart(40, '0')

function common(place: Place): Record<string, string> {
  return { name: `${place.host}:${place.port}`, ip: place.host, port: String(place.port) }
}

function primaryInfo(name: string, belief: Belief): RespValue {
  return info({
    ...common(belief.primary),
    name,
    flags: belief.flags ?? 'master',
    'config-epoch': String(belief.epoch),
    'num-slaves': String(belief.replicas.length),
    'num-other-sentinels': String(belief.sentinels.length),
    quorum: String(Math.floor((belief.sentinels.length + 1) / 2) + 1),
  })
}

function info(fields: Readonly<Record<string, string>>): RespValue {
  return new Map(Object.entries(fields))
}
