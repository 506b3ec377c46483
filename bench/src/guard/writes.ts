import { RawClient } from '@cenote/test-support'
import type { BenchClient } from '../clients/types.js'
import type { Target } from '../job.js'

const TURNS = 100
const PER_TURN = 100

/**
 * How many reads the server needs for 100 GETs issued at once. They are far smaller than one read of the server's, so
 * each write of the client's is one read: commands that share a write cost one system call together.
 */
export async function readsPerBatch(client: BenchClient, target: Target): Promise<number> {
  const server = await RawClient.open(target)
  const reads = async (): Promise<number> => {
    const found = /^total_reads_processed:(\d+)/m.exec(String(await server.send('INFO', 'stats')))
    if (found === null) throw new Error('This server does not count its reads')
    return Number(found[1])
  }
  try {
    await client.get('guard:0')
    const before = await reads()
    for (let turn = 0; turn < TURNS; turn++) {
      await Promise.all(Array.from({ length: PER_TURN }, (_, i) => client.get(`guard:${i}`)))
    }
    // The second question is itself one read.
    return ((await reads()) - before - 1) / TURNS
  } finally {
    server.close()
  }
}
