import { freePort, keySlot, type ScriptedNode, type Session, scriptedNode, type ToldSlots } from '@cenote/test-support'
import type { ScriptedScenario } from '../scripted.js'

/** Keys of both nodes, which share them: what is written by way of one is there by way of the other. */
type Store = Map<string, string>

/** Plays a node's part for the commands of the load. */
function serve(store: Store, [name = '', key = '', value = '']: readonly string[]) {
  switch (name.toUpperCase()) {
    case 'SET':
      store.set(key, value)
      return 'OK'
    case 'GET':
      return store.get(key) ?? null
    default:
      return undefined
  }
}

const isKeyed = ([name = '']: readonly string[]): boolean => /^(get|set)$/i.test(name)

interface Pair {
  readonly nodes: readonly [ScriptedNode, ScriptedNode]
  lying: boolean
}

/** Two nodes, the first of which owns every slot; while they lie, `lie` answers for the one of that index. */
async function pair(lie: (node: 0 | 1, command: string[], pair: Pair, session: Session) => unknown): Promise<Pair> {
  const store: Store = new Map()
  const own = (index: 0 | 1) => (command: string[], session: Session) => {
    if (!isKeyed(command)) return undefined
    const lied = made.lying ? lie(index, command, made, session) : undefined
    if (lied !== undefined) return lied as string
    return index === 0 ? serve(store, command) : moved(command, made.nodes[0])
  }
  const made: Pair = { nodes: [await scriptedNode(own(0)), await scriptedNode(own(1))], lying: false }
  for (const node of made.nodes) node.slots = told(made.nodes[0], made.nodes[1])
  return made
}

const moved = ([, key = '']: readonly string[], to: { address: string }): Error =>
  new Error(`MOVED ${keySlot(key)} ${to.address}`)

/** All slots at one node, with the other as its replica. */
function told(owner: ScriptedNode, other: ScriptedNode): ToldSlots[] {
  const nodes = [owner, other].map(({ host, port, id }) => ({ host, port, id }))
  return [{ first: 0, last: 16_383, nodes }]
}

const scenario = (
  name: string,
  title: string,
  number: number,
  lie: Parameters<typeof pair>[0],
  options: { begin?(made: Pair): void | Promise<void>; end?(made: Pair): void } & Partial<ScriptedScenario> = {},
): ScriptedScenario => {
  const { begin, end, ...more } = options
  return {
    number,
    topology: 'cluster',
    name,
    title,
    ...more,
    async script() {
      const made = await pair(lie)
      return {
        nodes: made.nodes,
        async lie() {
          made.lying = true
          await begin?.(made)
        },
        async tellTheTruth() {
          made.lying = false
          for (const node of made.nodes) node.slots = told(made.nodes[0], made.nodes[1])
          end?.(made)
        },
      }
    },
  }
}

export const liars: readonly ScriptedScenario[] = [
  scenario(
    'slots-contradict',
    'each of two nodes says that it owns every slot; only one of them serves',
    22,
    (node, command, { nodes }) => (node === 1 ? moved(command, nodes[0]) : undefined),
    {
      noErrors: true,
      begin: ({ nodes: [a, b] }) => {
        b.slots = told(b, a)
        b.epoch = 1
        a.epoch = 5
        a.cut()
      },
    },
  ),
  scenario(
    'slots-out-of-date',
    'one of two nodes hands out an old map, in which every slot is at a node that is gone',
    22,
    (node, command, { nodes }) => (node === 1 ? moved(command, nodes[0]) : undefined),
    {
      noErrors: true,
      begin: async ({ nodes: [a, b] }) => {
        const gone = { host: '127.0.0.1', port: await freePort(), id: 'e'.repeat(40) }
        b.slots = [{ first: 0, last: 16_383, nodes: [gone, { host: b.host, port: b.port, id: b.id }] }]
        b.epoch = 0
        a.epoch = 5
        a.cut()
      },
    },
  ),
  scenario(
    'slots-empty',
    'for a second nodes say that nobody owns anything, and refuse',
    22,
    () => new Error('CLUSTERDOWN Hash slot not served'),
    {
      begin: ({ nodes }) => {
        for (const node of nodes) node.slots = []
      },
    },
  ),
  scenario('moved-to-itself', 'for a second a node sends every command on to itself', 23, (_node, command, { nodes }) =>
    moved(command, nodes[0]),
  ),
  scenario(
    'moved-in-circles',
    'for a second two nodes send every command on to each other',
    23,
    (node, command, { nodes }) => moved(command, nodes[node === 0 ? 1 : 0]),
  ),
  scenario(
    'moved-nowhere',
    'for a second redirections make no sense: no slot, a slot that cannot be, no address, a port that cannot be',
    23,
    (_node, _command, { nodes }) => {
      const texts = [
        'MOVED',
        'MOVED x y',
        `MOVED 99999 ${nodes[0].address}`,
        'MOVED 5',
        'MOVED 5 :99999999',
        'ASK 5',
        'ASK',
      ]
      return new Error(texts[Math.floor(Math.random() * texts.length)])
    },
  ),
]
