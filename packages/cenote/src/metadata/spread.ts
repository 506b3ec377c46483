/**
 * Whom a command concerns on a cluster. `keys`: the servers of its keys, each with its own; `shards`: every primary;
 * `servers`: every server, replicas included.
 */
export type SpreadOver = 'keys' | 'shards' | 'servers'

/**
 * How one answer is made of several. `same`: all say the same; `one`: one success is enough; `any`: one of those that are
 * not null, by chance; `order`: in the order of the keys; `join`: one after the other; `distinct`: each once; `pairs`:
 * numbers by name are added.
 */
export type SpreadInto = 'same' | 'one' | 'any' | 'sum' | 'min' | 'and' | 'order' | 'join' | 'distinct' | 'pairs'

export interface Spread {
  readonly over: SpreadOver
  readonly into: SpreadInto
  /** Arguments per key: 2 where a value follows each. */
  readonly step: number
  /** Arguments at the end that belong to every part. */
  readonly tail: number
}

/**
 * After the tips that servers give with COMMAND (request_policy and response_policy; 7.0.15 and 8.0), with these
 * differences. PING asks one server, as with every other client: a health check of all is `health()`. What is `special`
 * there (INFO, MEMORY STATS, LATENCY …) goes to one server, because no sum of reports is a report. MSETNX stays whole: it
 * promises all or nothing. PUBSUB has no tip, though subscribers are spread over all servers.
 */
const TABLE = `
del keys sum
unlink keys sum
exists keys sum
touch keys sum
mget keys order
mset keys same 2
json.mget keys order 1 1
json.mset keys same 3
dbsize shards sum
flushall shards same
flushdb shards same
function|delete shards same
function|flush shards same
function|load shards same
function|restore shards same
function|kill shards one
memory|purge shards same
keys shards join
randomkey shards any
wait shards min
waitaof shards min
script|exists shards and
script|kill shards one
script|flush servers same
script|load servers same
config|set servers same
config|resetstat servers same
latency|reset servers sum
slowlog|reset servers same
slowlog|len servers sum
slowlog|get servers join
pubsub|channels servers distinct
pubsub|shardchannels servers distinct
pubsub|numpat servers sum
pubsub|numsub servers pairs
pubsub|shardnumsub servers pairs
`

const spreads = new Map<string, Spread>()
for (const line of TABLE.trim().split('\n')) {
  const [name, over, into, step = '1', tail = '0'] = line.split(' ')
  spreads.set(name!, { over: over as SpreadOver, into: into as SpreadInto, step: Number(step), tail: Number(tail) })
}

/** @param fullName `del`, `script|load` */
export const spreadOf = (fullName: string): Spread | undefined => spreads.get(fullName)

const names = new Set(['scan', ...[...spreads.keys()].flatMap((name) => [name, name.split('|')[0]!])])

/** True of a container when any of its subcommands is; SCAN walks from server to server. */
export const isSpread = (fullName: string): boolean => names.has(fullName)

/** All that are spread, by full name. */
export const spreadCommands = (): ReadonlyMap<string, Spread> => spreads
